/* SPDX-License-Identifier: MIT */
/*
 * One route as text: the registry's "http/HOST" → "ip,port,epoch", and HAProxy's
 * HOST → "ip,port". Everything is checked here, so that nothing that came from the
 * registry can end a line or a command on HAProxy's runtime socket.
 */
#ifndef TAUPE_NET_ROUTE_H
#define TAUPE_NET_ROUTE_H

#include "wire/cursor.h"

/* The kinds, which are also the maps: http.map, sni.map, tcp.map, relay.map. */
enum route_kind { ROUTE_HTTP, ROUTE_SNI, ROUTE_TCP, ROUTE_RELAY, ROUTE_KINDS };

#define ROUTE_KEY_TEXT_MAX 253	/* characters of a key, without its kind */
#define ROUTE_VALUE_TEXT_MAX 64 /* bytes of "ip,port", the NUL included */

/* What the value of a key that is gone says in an overlay map. */
#define ROUTE_TOMBSTONE "gone"
/* What the value of the relays' common host says: HAProxy picks a relay. */
#define ROUTE_ANY "any"

/* Where a route leads. */
struct route_target {
	uint8_t ip[16]; /* in network order; IPv4 uses the first four */
	uint8_t ip_len; /* 4 or 16; 0: ROUTE_ANY */
	uint16_t port;
};

/* "http", "sni", "tcp", "relay" */
const char *route_kind_name(enum route_kind kind);

/* Split a registry key. False: no such kind, or no host name (or port) behind it. The
 * key is a slice of text. */
bool route_key_parse(struct str text, enum route_kind *kind, struct str *key);

/* Is this a key that the map of that kind may have? */
bool route_key_valid(enum route_kind kind, struct str key);

/* Parse "ip,port,epoch", the registry's form. */
bool route_value_parse(
    struct str text, struct route_target *target, uint64_t *epoch);

/* Parse "ip,port", HAProxy's form. */
bool route_target_parse(struct str text, struct route_target *target);

/* Write HAProxy's form; returns out. */
const char *route_target_text(
    const struct route_target *target, char out[ROUTE_VALUE_TEXT_MAX]);

bool route_target_equal(
    const struct route_target *a, const struct route_target *b);

#endif
