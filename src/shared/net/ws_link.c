/* SPDX-License-Identifier: MIT */
/* The pump moves the bytes; here is what frames mean. */
#include "config.h"

#include <assert.h>
#include <string.h>

#include "net/crypto.h"
#include "net/farewell.h"
#include "net/ws_link.h"

#define CLOGGED_BYTES (2u * BUF_LARGE) /* of a peer that does not read */

static const struct str no_reason = {NULL, 0};

/* The header, the key of a client's frame in it, which masks the payload. */
static size_t
begin_frame(const struct ws_link *link, enum ws_opcode opcode,
    uint8_t *payload, size_t len, uint8_t head[WS_HEADER_MAX])
{
	struct ws_header header = {
	    .length = len,
	    .opcode = opcode,
	    .fin = true,
	    .masked = link->role == WS_CLIENT,
	};

	if (header.masked) {
		crypto_random(header.mask, sizeof(header.mask));
		ws_mask(payload, len, header.mask, 0);
	}
	return ws_header_encode(&header, head);
}

static void
append_frame(struct ws_link *link, enum ws_opcode opcode, const void *data,
    size_t len)
{
	uint8_t frame[WS_HEADER_MAX + WS_CONTROL_MAX], head[WS_HEADER_MAX];
	uint8_t payload[WS_CONTROL_MAX];
	size_t size;

	assert(len <= sizeof(payload));
	if (len > 0)
		memcpy(payload, data, len);
	size = begin_frame(link, opcode, payload, len, head);
	memcpy(frame, head, size);
	memcpy(frame + size, payload, len);
	/* if it breaks, the pump hears so */
	(void)conn_append(&link->channel, frame, size + len);
}

static void
append_close(struct ws_link *link, unsigned code, const char *reason)
{
	uint8_t payload[WS_CONTROL_MAX];
	size_t len = strlen(reason);

	if (len > sizeof(payload) - 2)
		len = sizeof(payload) - 2;
	payload[0] = (uint8_t)(code >> 8);
	payload[1] = (uint8_t)code;
	memcpy(payload + 2, reason, len);
	append_frame(link, WS_OP_CLOSE, payload, len + 2);
}

/* True: it is over. */
static bool
complete(struct ws_link *link)
{
	if (!link->raw_ended || !link->channel_ended)
		return false;
	link->cb(link->owner, WS_LINK_DONE, 0, no_reason);
	return true;
}

static enum pump_verdict
broken(struct ws_link *link, unsigned code, const char *reason)
{
	link->cb(link->owner, WS_LINK_BROKEN, code, str_of(reason));
	return PUMP_GONE;
}

static enum pump_verdict
take_binary(struct ws_link *link, const struct ws_event *event,
    struct pump_step *step)
{
	if (link->channel_ended)
		return broken(
		    link, WS_CLOSE_PROTOCOL_ERROR, "bytes behind the end");
	if (event->len > 0) {
		ws_mask(event->data, event->len, event->mask, event->phase);
		step->payload = event->data;
		step->length = event->len;
	} else if (event->last && event->message_length == 0) {
		link->channel_ended = true;
		pump_end_raw(&link->pump);
		if (complete(link))
			return PUMP_GONE;
	}
	return PUMP_STEP;
}

static enum pump_verdict
decode_cb(void *owner, uint8_t *data, size_t len, struct pump_step *step)
{
	struct ws_link *link = owner;
	struct ws_event event;
	enum pump_verdict verdict = PUMP_STEP;

	ws_reader_next(&link->reader, data, len, &step->consumed, &event);
	link->heard = true;
	switch (event.type) {
	case WS_BINARY:
		verdict = take_binary(link, &event, step);
		break;
	case WS_TEXT:
		return broken(link, WS_CLOSE_UNSUPPORTED,
		    "there are no text messages here");
	case WS_PING:
		/* who does not read its pongs gets no more of them */
		if (conn_queued(&link->channel) < CLOGGED_BYTES)
			append_frame(link, WS_OP_PONG, event.data, event.len);
		link->pong_waits = true;
		break;
	case WS_CLOSED:
		link->cb(link->owner, WS_LINK_CLOSED, event.code,
		    (struct str){(const char *)event.data, event.len});
		return PUMP_GONE;
	case WS_ERROR:
		return broken(link, event.code, event.reason);
	case WS_NEED_ROOM: /* it was lent at the start */
	case WS_PONG:
	case WS_NEED_MORE:
		break;
	}
	/* pongs to what came together go together */
	if (verdict == PUMP_STEP && link->pong_waits &&
	    step->consumed == len) {
		link->pong_waits = false;
		(void)conn_flush(&link->channel);
	}
	return verdict;
}

static size_t
encode_cb(void *owner, uint8_t *payload, size_t len)
{
	uint8_t head[WS_HEADER_MAX];
	size_t size = begin_frame(owner, WS_OP_BINARY, payload, len, head);

	memcpy(payload - size, head, size);
	return size;
}

static void
raw_eof_cb(void *owner)
{
	struct ws_link *link = owner;

	append_frame(link, WS_OP_BINARY, NULL, 0);
	(void)conn_flush(&link->channel);
	link->raw_ended = true;
	(void)complete(link);
}

static void
raw_failed_cb(void *owner)
{
	struct ws_link *link = owner;

	link->cb(link->owner, WS_LINK_RESET, 0, no_reason);
}

static void
channel_ended_cb(void *owner, enum pump_end end)
{
	struct ws_link *link = owner;

	(void)end;
	link->cb(link->owner, WS_LINK_LOST, 0, no_reason);
}

static const struct pump_ops link_pump_ops = {
    .decode = decode_cb,
    .encode = encode_cb,
    .raw_eof = raw_eof_cb,
    .raw_failed = raw_failed_cb,
    .channel_ended = channel_ended_cb,
};

int
ws_link_init(struct ws_link *link, enum ws_role role, struct conn *channel,
    struct conn *raw, ws_link_cb cb, void *owner)
{
	memset(link, 0, sizeof(*link));
	link->channel = link->raw = (struct conn)CONN_CLOSED;
	link->role = role;
	link->cb = cb;
	link->owner = owner;
	ws_reader_init(&link->reader, role, UINT32_MAX);
	ws_reader_lend(&link->reader, link->room);
	if (conn_move(&link->channel, channel, NULL, link) != 0) {
		conn_fini(raw);
		return -1;
	}
	pump_init(&link->pump, &link->channel, &link_pump_ops, link);
	if (conn_move(&link->raw, raw, NULL, link) != 0) {
		pump_fini(&link->pump);
		conn_fini(&link->channel);
		return -1;
	}
	conn_keep_alive(&link->channel);
	pump_join(&link->pump, &link->raw, NULL, 0);
	return 0;
}

void
ws_link_feed(struct ws_link *link, const uint8_t *data, size_t len)
{
	(void)pump_feed(&link->pump, data, len);
}

void
ws_link_ping(struct ws_link *link)
{
	append_frame(link, WS_OP_PING, NULL, 0);
	(void)conn_flush(&link->channel);
}

static void
leave(struct ws_link *link)
{
	if (link->pump.raw != NULL)
		pump_leave(&link->pump);
	pump_fini(&link->pump);
}

void
ws_link_finish(struct ws_link *link, struct farewells *farewells)
{
	leave(link);
	append_close(link, WS_CLOSE_NORMAL, "");
	farewell_take(farewells, &link->channel);
	farewell_take(farewells, &link->raw);
}

void
ws_link_close(struct ws_link *link, struct farewells *farewells, unsigned code,
    const char *reason)
{
	leave(link);
	append_close(link, code, reason);
	farewell_take(farewells, &link->channel);
	conn_abort(&link->raw);
}

void
ws_link_abort(struct ws_link *link)
{
	leave(link);
	conn_abort(&link->channel);
	conn_abort(&link->raw);
}
