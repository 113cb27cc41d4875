/* SPDX-License-Identifier: MIT */
/* Share links of the services that are here: whether a token opens one, and telling that it did. */
#ifndef TAUPE_RELAY_SHARE_LINK_H
#define TAUPE_RELAY_SHARE_LINK_H

#include "net/share_token.h"
#include "relay/service.h"

enum share_verdict {
	SHARE_GOOD,
	SHARE_FOREIGN, /* no token of this service, or for another use; or the service is public */
	SHARE_REVOKED,
	SHARE_OVER
};

/* Does the token open the service? now_ms: the wall clock. token is filled unless it is foreign. */
enum share_verdict share_link_check(const struct service *service,
    enum share_use use, struct str text, uint64_t now_ms,
    struct share_token *token);

/* A link was used, from there: an event, and a line of the log. */
void share_link_tell(
    struct relay *relay, const struct share_token *token, const char *from);

#endif
