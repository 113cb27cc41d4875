/* SPDX-License-Identifier: MIT */
/*
 * One route as text: the registry's "http/HOST" → "ip,port,epoch", and HAProxy's
 * HOST → "ip,port". Where not anybody may come, ",MODE,KEY,…" stands behind both, so that who may
 * come changes with one entry, at once. Everything is checked here, so that nothing that came from the
 * registry can end a line or a command on HAProxy's runtime socket.
 */
#ifndef TAUPE_NET_ROUTE_H
#define TAUPE_NET_ROUTE_H

#include "wire/cursor.h"

/*
 * The kinds, which are also the maps: http.map, sni.map, and so on. The last two lead nowhere:
 * that they are there is what they say. "allow/LIST/4/C00002": addresses that begin so are on that
 * list; "revoked/ID": that share link counts no more.
 */
enum route_kind {
	ROUTE_HTTP,
	ROUTE_SNI,
	ROUTE_TCP,
	ROUTE_RELAY,
	ROUTE_ALLOW,
	ROUTE_REVOKED,
	ROUTE_KINDS
};

#define ROUTE_LIST_LEN 20 /* lower-case hex digits that name a list of addresses */
#define ROUTE_ACCESS_TEXT_MAX 128 /* bytes of "MODE,KEY,…", the NUL included */

#define ROUTE_KEY_TEXT_MAX 253	/* characters of a key, without its kind */
/* bytes of "ip,port,MODE,KEY,…", the NUL included */
#define ROUTE_VALUE_TEXT_MAX (64 + ROUTE_ACCESS_TEXT_MAX)

/* What the value of a key that is gone says in an overlay map. */
#define ROUTE_TOMBSTONE "gone"
/* What the value of the relays' common host says: HAProxy picks a relay. */
#define ROUTE_ANY "any"

/* Where a route leads. */
struct route_target {
	const char *access; /* "MODE,KEY,…", access_len characters; NULL: anybody may come */
	uint8_t ip[16];	    /* in network order; IPv4 uses the first four */
	uint8_t ip_len;	    /* 4 or 16; 0: ROUTE_ANY */
	uint8_t access_len;
	uint16_t port;
};

/* "http", "sni", "tcp", "relay", "allow", "revoked" */
const char *route_kind_name(enum route_kind kind);

/* Split a registry key. False: no such kind, or no host name (or port) behind it. The
 * key is a slice of text. */
bool route_key_parse(struct str text, enum route_kind *kind, struct str *key);

/* Is this a key that the map of that kind may have? */
bool route_key_valid(enum route_kind kind, struct str key);

/* May a route of this kind say who may come? */
bool route_kind_has_access(enum route_kind kind);

/* Is this a MODE and what goes with it: "private,KEY", "allow,KEY,LIST", "password,KEY,SALT,HASH"?
 * KEY, SALT and HASH are base64 of 32, 16 and 32 bytes. */
bool route_access_valid(struct str text);

/* Parse "ip,port,epoch", the registry's form. What target->access points to is in the text, here
 * and below. */
bool route_value_parse(
    struct str text, struct route_target *target, uint64_t *epoch);

/* Parse "ip,port", HAProxy's form, with its access. */
bool route_target_parse(struct str text, struct route_target *target);

/* Write HAProxy's form; returns out. */
const char *route_target_text(
    const struct route_target *target, char out[ROUTE_VALUE_TEXT_MAX]);

/* As much of a route's value, in either form and right or wrong, as a log may show: up to the third
 * comma. Keys may follow. */
struct str route_text_shown(struct str text);

bool route_target_equal(
    const struct route_target *a, const struct route_target *b);

#endif
