/* SPDX-License-Identifier: MIT */
/* The opening handshake of RFC 6455 section 4, both sides, with taupe's subprotocol. */
#ifndef TAUPE_WIRE_HANDSHAKE_H
#define TAUPE_WIRE_HANDSHAKE_H

#include "wire/http_head.h"

#define WS_VERSION "13" /* RFC 6455's */
#define WS_KEY_LEN 24    /* base64 of 16 bytes */
#define WS_ACCEPT_LEN 28 /* base64 of a SHA-1 */
#define SECRET_MAX 256   /* characters of the longest secret */
/* an enrolment key's random part: base64url of 256 bits, without padding */
#define ENROLMENT_RANDOM_LEN 43

/* Sec-WebSocket-Key of 16 random bytes; not terminated. */
void ws_key_make(const uint8_t nonce[16], char key[WS_KEY_LEN]);
/* Sec-WebSocket-Accept of a key (section 4.2.2); not terminated. */
void ws_accept_make(const char key[WS_KEY_LEN], char accept[WS_ACCEPT_LEN]);

struct handshake_request {
	const char *host; /* an IPv6 address without its brackets */
	uint16_t port;
	bool secure;	    /* port 443 needs no word, else 80 */
	const char *secret; /* for Authorization: Bearer; NULL: no such field */
	const char *user_agent;
	const char *key; /* WS_KEY_LEN characters */
};

/* Can this secret be carried in Authorization: Bearer (b64token of RFC 6750 section 2.1)?
 * 1..SECRET_MAX of [A-Za-z0-9._~+/-], then any number of '='. */
bool handshake_secret_valid(struct str secret);

/* Is it an enrolment key: a fleet's name (shaped as a device's), a dot, and
 * ENROLMENT_RANDOM_LEN of [A-Za-z0-9_-]? *fleet is then the name, within it. */
bool handshake_enrolment_key_parse(struct str key, struct str *fleet);

/* Write the client's request behind "GET", its path and its query. The caller asks w->full; a
 * secret that is not valid counts as that, too, and so does a host or user agent with anything but
 * visible ASCII characters and blanks in it. */
void handshake_request_write(
    struct writer *w, const struct handshake_request *request);

/*
 * Server: does this head ask for a WebSocket with our subprotocol? Returns 101 when all
 * is right and then sets *key; else the status to answer with: 400 (not GET, no Upgrade
 * or Connection, key missing or malformed, HTTP/1.0, no or two Hosts, a body
 * announced), 426 (other WebSocket version, or subprotocol not offered); *error is then
 * a static string that says what.
 */
WIRE_MUST_CHECK unsigned handshake_request_check(const struct http_head *head,
    struct str *key, const char **error);

/* The secret of "Authorization: Bearer …" (RFC 6750 section 2.1); absent when there is
 * none or it is of another form. */
struct str handshake_bearer(const struct http_head *head);

/* Server: write "101 Switching Protocols". */
void handshake_response_write(struct writer *w, const char key[WS_KEY_LEN]);

/* Client: is this the right answer to our key? NULL, or what is wrong. */
WIRE_MUST_CHECK const char *handshake_answer_check(
    const struct http_answer *answer, const char key[WS_KEY_LEN]);

#endif
