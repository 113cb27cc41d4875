/* SPDX-License-Identifier: MIT */
/*
 * May this visitor come to this service? By the rule that the operator has set. What a proxy
 * in front asks of its maps, with access_route_write()'s help, the built-in front and the
 * services' own listeners ask here: the answers are the same.
 */
#ifndef TAUPE_RELAY_ACCESS_H
#define TAUPE_RELAY_ACCESS_H

#include "relay/page.h"
#include "relay/service.h"
#include "wire/http_head.h"

/* The cookie of who has opened a share link; over https it has the prefix that only the very host
 * can set it with (RFC 6265bis section 4.1.3.2). */
#define ACCESS_COOKIE "taupe_visit"
#define ACCESS_COOKIE_HTTPS "__Host-taupe_visit"

enum access_verdict {
	ACCESS_GRANTED,
	ACCESS_LOGIN,	      /* 401: a password is asked for */
	ACCESS_NOT_FROM_HERE, /* 403: the list does not have the address */
	ACCESS_NO_LINK,	      /* 403: a share link that is good is needed */
	ACCESS_GUESSES,	      /* 429: too many wrong passwords have come from there */
	ACCESS_NOT_KNOWN      /* 503: the rule could not be read yet */
};

/* May this request come in? Its head is complete; https: whether the visitor's own connection is
 * encrypted, as far as is known; peer: who is connected, a proxy perhaps, as whose the wrong passwords
 * count of visitors whom it does not name; now_ms: the wall clock. */
enum access_verdict access_check_request(const struct service *service,
    const struct http_head *head, bool https, const struct address *from,
    const struct address *peer, uint64_t now_ms);
/* The same of a tcp or tls service, by the address alone. */
enum access_verdict access_check_address(
    const struct service *service, const struct address *from);
/* The same by the rule itself, of a service that may be elsewhere. */
enum access_verdict access_check_rule(
    const struct access_rule *rule, const struct address *from);
/* The same of who has connected to the service's own listener: nothing more is asked of a proxy that
 * we trust, which asks its visitors itself, nor of another relay, which hands one over. */
enum access_verdict access_check_peer(
    const struct service *service, const struct address *peer);
/* "public", "password", "allow", "private"; of a service whose rule is not known, "unknown". */
const char *access_mode_of(const struct service *service);
/* May anybody come? */
bool access_is_public(const struct service *service);
/* The page for a verdict other than granted. */
enum page access_page(enum access_verdict verdict);

/*
 * What the device gets of a field of a request: false, nothing; true, *value, which is the field's
 * or stands in room. Takes away the cookies above, and where a password is asked for, what
 * Authorization says. cap: as much as the field's value.
 */
bool access_field_for_device(const struct service *service,
    const struct http_field *field, char *room, size_t cap, struct str *value);

/* What a route to the service says about who may come, for a proxy's maps. */
void access_route_write(
    const struct service *service, char out[ROUTE_ACCESS_TEXT_MAX]);

/* All routes of the device, as they shall stand in the registry: those of its services whose
 * listeners are open, and what their rules need. From malloc; -1: no memory. None while its rules
 * are not known. */
int device_routes(
    const struct device *device, uint64_t now_ms, struct route **routes, size_t *n);

/* Have these rules from now on; NULL: all is public. True: they are others than before. */
bool device_access_set(struct device *device, struct access *access);
/* Its rules are not known any more: nobody comes. True: they were. */
bool device_access_forget(struct device *device);

#endif
