/* SPDX-License-Identifier: MIT */
/*
 * The messages of a shared channel, as they come out of the WebSocket reader. The first byte
 * chooses how the rest is cut: read in one piece and read in many, a stream must have the same
 * visits, payload and ends; and what they are is found out here in a simpler way as well.
 */
#include "wire/mux_frame.h"
#include "wire/ws_reader.h"

#include "require.h"

#define TEXT_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct summary {
	struct ws_reader ws;
	struct mux_reader mux;
	uint8_t room[WS_CONTROL_MAX];
	uint64_t digest; /* FNV-1a: of visits, payload and ends */
	uint64_t length; /* of the message at hand */
	uint32_t number; /* its first four bytes */
	bool bad;
};

static void
mix(struct summary *s, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		s->digest = (s->digest ^ bytes[i]) * UINT64_C(0x100000001b3);
}

/* What the page says of a message: four bytes, and then payload. */
static void
note(struct summary *s, const struct ws_event *event)
{
	if (event->first) {
		s->length = 0;
		s->number = 0;
	}
	for (size_t i = 0; i < event->len && s->length + i < MUX_PREFIX_LEN;
	     i++)
		s->number = s->number << 8 | event->data[i];
	s->length += event->len;
}

static void
add_binary(struct summary *s, struct ws_event *event)
{
	uint8_t *payload = NULL;
	size_t len = 0, before;
	enum mux_result result;

	ws_mask(event->data, event->len, event->mask, event->phase);
	note(s, event);
	result = mux_reader_take(&s->mux, event->first, event->last,
	    event->data, event->len, &payload, &len);
	before = (size_t)s->length - event->len;
	if (s->length > MUX_PREFIX_LEN && event->len > 0) {
		size_t skipped =
		    before < MUX_PREFIX_LEN ? MUX_PREFIX_LEN - before : 0;

		REQUIRE(result == MUX_DATA);
		REQUIRE(payload == event->data + skipped);
		REQUIRE(len == event->len - skipped && len > 0);
		if (before <= MUX_PREFIX_LEN) /* its first payload */
			mix(s, &s->mux.visit, sizeof(s->mux.visit));
		mix(s, payload, len);
	} else if (event->last && s->length < MUX_PREFIX_LEN) {
		REQUIRE(result == MUX_BAD);
		s->bad = true;
		return;
	} else if (event->last && s->length == MUX_PREFIX_LEN) {
		REQUIRE(result == MUX_END);
		mix(s, &s->mux.visit, sizeof(s->mux.visit));
		mix(s, "]", 1);
	} else {
		REQUIRE(result == MUX_MORE);
		return;
	}
	REQUIRE(s->mux.visit == s->number);
}

/* False: the stream is over. */
static bool
add_event(struct summary *s, struct ws_event *event)
{
	if (event->type == WS_BINARY)
		add_binary(s, event);
	else if (event->type == WS_NEED_ROOM)
		ws_reader_lend(&s->ws, s->room);
	return !s->bad && event->type != WS_ERROR && event->type != WS_CLOSED;
}

static bool
feed(struct summary *s, const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1), *at = copy;
	struct ws_event event;
	size_t consumed;
	bool goes_on;

	REQUIRE(copy != NULL);
	if (len > 0)
		memcpy(copy, data, len);
	do {
		ws_reader_next(&s->ws, at, len, &consumed, &event);
		at += consumed;
		len -= consumed;
		goes_on = add_event(s, &event);
	} while (goes_on && event.type != WS_NEED_MORE);
	free(copy);
	return goes_on;
}

static void
begin(struct summary *s, enum ws_role role)
{
	memset(s, 0, sizeof(*s));
	s->digest = 1;
	ws_reader_init(&s->ws, role, TEXT_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct summary whole, cut;
	enum ws_role role;
	size_t piece;
	bool goes_on = true;

	if (len < 1)
		return 0;
	role = data[0] & 1 ? WS_SERVER : WS_CLIENT;
	piece = (size_t)(data[0] >> 1) % 20 + 1;
	begin(&whole, role);
	begin(&cut, role);
	(void)feed(&whole, data + 1, len - 1);
	for (size_t at = 1; at < len && goes_on; at += piece)
		goes_on =
		    feed(&cut, data + at, len - at < piece ? len - at : piece);
	REQUIRE(whole.bad == cut.bad);
	REQUIRE(whole.digest == cut.digest);
	return 0;
}
