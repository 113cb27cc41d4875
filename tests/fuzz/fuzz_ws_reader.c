/* SPDX-License-Identifier: MIT */
/*
 * The WebSocket reader. The first byte chooses the role and how the rest is cut: read in
 * one piece and read in many, a stream must be reported as the same. What is compared is
 * a digest of the unmasked payload and of the borders of messages, not of pieces.
 */
#include "wire/ws_reader.h"

#include "require.h"

#define TEXT_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct summary {
	uint64_t digest; /* FNV-1a */
	uint64_t message_length;
	unsigned error; /* code of WS_ERROR */
	bool in_message;
};

static void
mix(struct summary *s, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		s->digest = (s->digest ^ bytes[i]) * UINT64_C(0x100000001b3);
}

static void
add_piece(struct summary *s, const struct ws_event *event)
{
	if (event->type == WS_BINARY)
		ws_mask(event->data, event->len, event->mask, event->phase);
	REQUIRE(event->first == !s->in_message);
	if (event->first) {
		mix(s, event->type == WS_BINARY ? "B" : "T", 1);
		s->message_length = 0;
	}
	s->message_length += event->len;
	REQUIRE(event->message_length == s->message_length);
	REQUIRE(event->type != WS_TEXT || s->message_length <= TEXT_MAX);
	mix(s, event->data, event->len);
	s->in_message = !event->last;
	if (event->last)
		mix(s, "]", 1);
}

static void
add_event(struct summary *s, const struct ws_event *event)
{
	switch (event->type) {
	case WS_NEED_MORE:
	case WS_NEED_ROOM:
		break;
	case WS_BINARY:
	case WS_TEXT:
		add_piece(s, event);
		break;
	case WS_PING:
	case WS_PONG:
	case WS_CLOSED:
		REQUIRE(event->len <= WS_CONTROL_MAX);
		mix(s, &event->type, sizeof(event->type));
		mix(s, &event->code, sizeof(event->code));
		mix(s, event->data, event->len);
		break;
	case WS_ERROR:
		REQUIRE(event->reason != NULL && s->error == 0);
		s->error = event->code;
		break;
	}
}

static void
feed(struct ws_reader *r, struct summary *s, uint8_t *room, const uint8_t *data,
    size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1), *at = copy;
	struct ws_event event;
	size_t consumed;

	REQUIRE(copy != NULL);
	if (len > 0)
		memcpy(copy, data, len);
	do {
		bool payload = len > 0 && ws_reader_is_at_payload(r, at, len);

		ws_reader_next(r, at, len, &consumed, &event);
		REQUIRE(consumed <= len);
		REQUIRE(payload ? (event.type == WS_BINARY && event.len > 0) ||
			    event.type == WS_NEED_MORE
				: event.type != WS_BINARY || event.len == 0);
		REQUIRE(consumed > 0 || event.type == WS_NEED_MORE);
		add_event(s, &event);
		if (event.type == WS_NEED_ROOM) {
			REQUIRE(r->room == NULL);
			ws_reader_lend(r, room);
		}
		at += consumed;
		len -= consumed;
	} while (event.type != WS_NEED_MORE);
	REQUIRE(len == 0);
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct summary whole = {.digest = 1}, cut = {.digest = 1};
	uint8_t room_a[WS_CONTROL_MAX], room_b[WS_CONTROL_MAX];
	struct ws_reader a, b;
	enum ws_role role;
	size_t piece;

	if (len < 1)
		return 0;
	role = data[0] & 1 ? WS_SERVER : WS_CLIENT;
	piece = (size_t)(data[0] >> 1) % 20 + 1;
	ws_reader_init(&a, role, TEXT_MAX);
	ws_reader_init(&b, role, TEXT_MAX);
	feed(&a, &whole, room_a, data + 1, len - 1);
	for (size_t at = 1; at < len; at += piece)
		feed(&b, &cut, room_b, data + at,
		    len - at < piece ? len - at : piece);
	REQUIRE(whole.error == cut.error);
	/* text before a strange byte in it may have been reported already */
	if (whole.error != WS_CLOSE_INVALID_DATA)
		REQUIRE(whole.digest == cut.digest);
	REQUIRE(a.dead == b.dead);
	REQUIRE(a.dead || ws_reader_at_rest(&a) == ws_reader_at_rest(&b));
	return 0;
}
