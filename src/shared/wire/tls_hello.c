/* SPDX-License-Identifier: MIT */
/*
 * Looks for the server name in a ClientHello. The handshake message may be spread over
 * records, so its bytes are taken one by one through the record layer; only the name
 * itself must lie in one piece.
 */
#include "wire/tls_hello.h"

#define RECORD_MAX 16384 /* RFC 8446 section 5.1 */
#define RECORD_HEADER_LEN 5
#define CLIENT_HELLO 1
#define HELLO_FIXED_LEN 34 /* legacy_version and random */
#define SESSION_ID_MAX 32
#define EXTENSION_SERVER_NAME 0
#define NAME_TYPE_HOST 0

struct hello {
	const uint8_t *at, *end;
	size_t record_left; /* bytes of the current record still to come */
	size_t left; /* bytes of the handshake message that may still be read */
	enum wire_result
	    state; /* sticky: nothing is read once it is not WIRE_DONE */
};

static void
stop(struct hello *h, enum wire_result state)
{
	if (h->state == WIRE_DONE)
		h->state = state;
}

/* Step into the next record. */
static void
next_record(struct hello *h)
{
	size_t have = (size_t)(h->end - h->at);

	if (have > 0 && h->at[0] != TLS_RECORD_HANDSHAKE)
		stop(h, WIRE_BAD);
	else if (have > 1 && h->at[1] != 3)
		stop(h, WIRE_BAD);
	else if (have < RECORD_HEADER_LEN)
		stop(h, WIRE_MORE);
	if (h->state != WIRE_DONE)
		return;
	h->record_left = (size_t)h->at[3] << 8 | h->at[4];
	h->at += RECORD_HEADER_LEN;
	if (h->record_left == 0 || h->record_left > RECORD_MAX)
		stop(h, WIRE_BAD);
}

/* How many of the next len bytes lie here in one piece; 0 when stopped. */
static size_t
piece(struct hello *h, size_t len)
{
	if (len > h->left)
		stop(h, WIRE_BAD);
	if (h->state == WIRE_DONE && h->record_left == 0)
		next_record(h);
	if (h->state == WIRE_DONE && h->at == h->end)
		stop(h, WIRE_MORE);
	if (h->state != WIRE_DONE)
		return 0;
	if (len > h->record_left)
		len = h->record_left;
	if (len > (size_t)(h->end - h->at))
		len = (size_t)(h->end - h->at);
	return len;
}

static void
advance(struct hello *h, size_t len)
{
	h->at += len;
	h->record_left -= len;
	h->left -= len;
}

static void
skip(struct hello *h, size_t len)
{
	while (len > 0 && h->state == WIRE_DONE) {
		size_t here = piece(h, len);

		advance(h, here);
		len -= here;
	}
}

/* A big-endian number of len bytes; 0 when stopped. */
static size_t
number(struct hello *h, size_t len)
{
	size_t value = 0;

	for (; len > 0 && piece(h, 1) == 1; len--) {
		value = value << 8 | *h->at;
		advance(h, 1);
	}
	return h->state == WIRE_DONE ? value : 0;
}

/* A vector's length in size bytes, which must lie between min and max. */
static size_t
vector(struct hello *h, size_t size, size_t min, size_t max)
{
	size_t len = number(h, size);

	if (h->state == WIRE_DONE && (len < min || len > max || len > h->left))
		stop(h, WIRE_BAD);
	return h->state == WIRE_DONE ? len : 0;
}

static void
take_name(struct hello *h, size_t len, struct str *name)
{
	size_t here = len > 0 ? piece(h, len) : 0;

	if (len == 0)
		stop(h, WIRE_BAD);
	if (h->state != WIRE_DONE)
		return;
	if (len > h->record_left)
		stop(h, WIRE_BAD);
	else if (here < len)
		stop(h, WIRE_MORE);
	else
		*name = (struct str){(const char *)h->at, len};
}

/* Read the server_name extension (RFC 6066 section 3), len bytes of content. */
static void
read_server_name(struct hello *h, size_t len, struct str *name)
{
	size_t list;

	if (len < 2) {
		stop(h, WIRE_BAD);
		return;
	}
	list = vector(h, 2, 1, len - 2);
	while (list > 0 && h->state == WIRE_DONE && name->ptr == NULL) {
		size_t type, name_len;

		if (list < 3) {
			stop(h, WIRE_BAD);
			return;
		}
		type = number(h, 1);
		name_len = vector(h, 2, 0, list - 3);
		if (type == NAME_TYPE_HOST)
			take_name(h, name_len, name);
		else
			skip(h, name_len);
		list -= 3 + name_len;
	}
}

static void
read_extensions(struct hello *h, struct str *name)
{
	(void)vector(h, 2, h->left >= 2 ? h->left - 2 : 0, h->left);
	while (h->left > 0 && h->state == WIRE_DONE && name->ptr == NULL) {
		size_t type = number(h, 2), len = vector(h, 2, 0, UINT16_MAX),
		       end;

		if (h->state != WIRE_DONE)
			return;
		end = h->left - len;
		if (type == EXTENSION_SERVER_NAME)
			read_server_name(h, len, name);
		if (h->state == WIRE_DONE && name->ptr == NULL)
			skip(h, h->left - end);
	}
}

static void
read_hello(struct hello *h, struct str *name)
{
	size_t type = number(h, 1), len = number(h, 3);

	if (h->state != WIRE_DONE)
		return;
	if (type != CLIENT_HELLO || len > TLS_HELLO_MAX) {
		stop(h, WIRE_BAD);
		return;
	}
	h->left = len;
	skip(h, HELLO_FIXED_LEN);
	skip(h, vector(h, 1, 0, SESSION_ID_MAX));
	skip(h, vector(h, 2, 2, UINT16_MAX)); /* cipher suites */
	skip(h, vector(h, 1, 1, UINT8_MAX));  /* compression methods */
	if (h->state == WIRE_DONE && h->left > 0)
		read_extensions(h, name);
}

enum wire_result
tls_hello_server_name(const uint8_t *in, size_t len, struct str *name)
{
	size_t bound = len < TLS_HELLO_MAX ? len : TLS_HELLO_MAX;
	/* 4: type and length, before the length is known */
	struct hello hello = {in, bound > 0 ? in + bound : in, 0, 4, WIRE_DONE};

	*name = (struct str){NULL, 0};
	read_hello(&hello, name);
	if (hello.state == WIRE_MORE && len >= TLS_HELLO_MAX)
		return WIRE_BAD;
	return hello.state;
}
