/* SPDX-License-Identifier: MIT */
/*
 * One look at a server, for programs without a loop (taupectl doctor): does it take a connection,
 * which certificate does it show, what does it answer to a GET? Nothing of it is trusted or used.
 */
#ifndef TAUPE_NET_PROBE_H
#define TAUPE_NET_PROBE_H

#include "net/address.h"

#define PROBE_ERROR_MAX 300

struct probe_request {
	struct address address;
	uint64_t timeout_ms; /* for all of it */
	const char *name;    /* of the server, for TLS (an address is fine); NULL: without TLS */
	const char *ca_file; /* authorities besides the system's; NULL: none */
	const char *host;    /* for the Host field; NULL: nothing is asked */
	const char *path;    /* to GET */
};

struct probe_answer {
	enum probe_stage {
		PROBE_REFUSED,   /* not even connected */
		PROBE_CONNECTED,
		PROBE_ENCRYPTED, /* a handshake, whoever the certificate is of */
		PROBE_ANSWERED   /* HTTP: status */
	} stage; /* how far it came */
	char error[PROBE_ERROR_MAX]; /* why it came no further; "" when it did all */
	/* Why the certificate is not to be trusted for that name, but for its end; "": it is. */
	char distrust[PROBE_ERROR_MAX];
	int64_t expires_s; /* wall clock; the first of the chain to end; 0: none was seen */
	int status;
};

void probe_run(const struct probe_request *request, struct probe_answer *answer);

#endif
