/* SPDX-License-Identifier: MIT */
/* Share links: whether a token opens a service, which may be elsewhere, and telling that it did. */
#ifndef TAUPE_RELAY_SHARE_LINK_H
#define TAUPE_RELAY_SHARE_LINK_H

#include "net/share_token.h"
#include "relay/relay.h"

enum share_verdict {
	SHARE_GOOD,
	SHARE_FOREIGN, /* no token of this service, or for another use; or the service is public */
	SHARE_REVOKED,
	SHARE_OVER
};

/* Does the token open the service of the device whose record has this access? now_ms: the wall clock.
 * token is filled unless it is foreign. */
enum share_verdict share_link_check(const struct access *access,
    const char *device, const char *service, enum share_use use,
    struct str text, uint64_t now_ms, struct share_token *token);

/* A link was used, from there: an event, and a line of the log. */
void share_link_tell(
    struct relay *relay, const struct share_token *token, const char *from);

#endif
