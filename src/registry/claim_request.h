/* SPDX-License-Identifier: MIT */
/* A claim as a request for a control channel, read and written (docs/PROTOCOL.md, section 4.1). */
#ifndef TAUPE_REGISTRY_CLAIM_REQUEST_H
#define TAUPE_REGISTRY_CLAIM_REQUEST_H

#include "registry/registry.h"

/* What is said at another relay besides the claim; absent: it is not said. */
struct claim_redirect {
	uint64_t hops;
	struct str lease; /* signed */
	struct str enrol; /* the hash of the secret, in hex */
};

/* Copy what the request says; from: the agent's address. */
void claim_take_request(
    struct claim *claim, const struct control_params *params, const char *from);
/* Write the URL of the same request at another relay, a C string. False: no room. */
bool claim_write_location(const struct claim *claim, const char *relay_url,
    const struct claim_redirect *redirect, char *out, size_t cap);

#endif
