/* SPDX-License-Identifier: MIT */
/* ws, wss, http and https URLs (RFC 3986, RFC 6455 section 3), as slices. */
#ifndef TAUPE_WIRE_URL_H
#define TAUPE_WIRE_URL_H

#include "wire/str.h"

#define URL_MAX 512 /* characters of the longest URL, its query not counted */

struct url {
	struct str scheme; /* lower case in the input, too: "ws", "wss", "http", "https" */
	struct str host;   /* name or address, without the brackets of IPv6 */
	uint16_t port;     /* the scheme's own when the URL names none */
	bool secure;       /* wss or https */
	bool explicit_port;
	struct str path;   /* begins with '/'; absent when the URL has none */
	struct str query;  /* without the '?'; absent when the URL has none */
};

/* Refused: user information, fragments, other schemes, strange bytes, port 0. */
bool url_parse(struct str text, struct url *url);

/* Is it the base URL of a relay: ws or wss, host, perhaps a port, and nothing behind? */
bool url_relay_valid(struct str text);

#endif
