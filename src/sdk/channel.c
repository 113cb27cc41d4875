/* SPDX-License-Identifier: MIT */
/*
 * One WebSocket as its client sees it. Heads and text messages are gathered in the
 * buffer that the driver has given, because they may come in pieces and are decoded in
 * place; payload never passes through it.
 */
#include "sdk/channel.h"

_Static_assert(TAUPE_HEADER_MAX == WS_HEADER_MAX, "one protocol");

void
channel_random(const struct taupe_config *config, void *out, size_t len)
{
	config->random_cb(config->random_ctx, out, len);
}

static void
set_buffer(struct channel *c, void *buffer, size_t size)
{
	c->buffer = buffer;
	c->size = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
}

/* The longest text message that is taken. */
static size_t
text_max(const struct channel *c)
{
	return c->size < CONTROL_MSG_MAX ? c->size : CONTROL_MSG_MAX;
}

void
channel_init(struct channel *c, const struct taupe_config *config, void *buffer,
    size_t size)
{
	memset(c, 0, sizeof(*c));
	c->config = config;
	set_buffer(c, buffer, size);
}

void
channel_set_buffer(struct channel *c, void *buffer, size_t size)
{
	set_buffer(c, buffer, size);
	c->u.reader.text_max = text_max(c);
}

void
channel_request(struct channel *c, struct writer *w,
    const struct taupe_relay *relay, const char *secret)
{
	const char *agent = c->config->user_agent;
	const struct handshake_request request = {
	    .host = relay->host,
	    .port = relay->port,
	    .secure = relay->secure,
	    .secret = secret,
	    .user_agent = agent != NULL ? agent : "libtaupe/" TAUPE_VERSION,
	    .key = c->u.key,
	};
	uint8_t nonce[16];

	channel_random(c->config, nonce, sizeof(nonce));
	ws_key_make(nonce, c->u.key);
	handshake_request_write(w, &request);
	c->used = 0;
}

/* Frames are read from now on; NULL, or what is wrong with the answer. */
static const char *
accept(struct channel *c, const struct http_answer *answer)
{
	const char *wrong = handshake_answer_check(answer, c->u.key);

	c->used = 0;
	ws_reader_init(&c->u.reader, WS_CLIENT, text_max(c));
	return wrong;
}

enum wire_result
channel_answer(struct channel *c, const uint8_t *data, size_t len,
    size_t *consumed, struct http_answer *answer)
{
	size_t limit = c->size < HTTP_HEAD_MAX ? c->size : HTTP_HEAD_MAX;
	size_t before = c->used, taken = limit - before, length;
	enum wire_result result;

	if (taken > len)
		taken = len;
	if (taken > 0)
		memcpy(c->buffer + before, data, taken);
	c->used += (uint32_t)taken;
	*consumed = taken;
	result = http_answer_parse(
	    (const char *)c->buffer, c->used, answer, &length);
	if (result == WIRE_MORE && c->used == limit) {
		answer->error = SAYS("the answer's head is too long");
		return WIRE_BAD;
	}
	if (result != WIRE_DONE)
		return result;
	*consumed = length - before;
	if (answer->status == 101 &&
	    (answer->error = accept(c, answer)) != NULL)
		return WIRE_BAD;
	return WIRE_DONE;
}

size_t
channel_frame(const struct channel *c, enum ws_opcode opcode,
    const void *payload, size_t len, uint8_t *out)
{
	struct ws_header header = {
	    .length = len, .opcode = opcode, .fin = true, .masked = true};
	size_t header_len;

	channel_random(c->config, header.mask, sizeof(header.mask));
	header_len = ws_header_encode(&header, out);
	if (len > 0) {
		memcpy(out + header_len, payload, len);
		ws_mask(out + header_len, len, header.mask, 0);
	}
	return header_len + len;
}

size_t
channel_payload_header(const struct channel *c, size_t len,
    uint8_t header[TAUPE_HEADER_MAX], uint8_t mask[4])
{
	struct ws_header frame = {
	    .length = len, .opcode = WS_OP_BINARY, .fin = true, .masked = true};

	if (!c->zero_mask)
		channel_random(c->config, frame.mask, sizeof(frame.mask));
	memcpy(mask, frame.mask, sizeof(frame.mask));
	return ws_header_encode(&frame, header);
}

size_t
channel_close(
    const struct channel *c, unsigned code, const char *reason, uint8_t *out)
{
	uint8_t payload[WS_CONTROL_MAX] = {(uint8_t)(code >> 8), (uint8_t)code};
	size_t len = strlen(reason);

	if (len > sizeof(payload) - 2)
		len = sizeof(payload) - 2;
	memcpy(payload + 2, reason, len);
	return channel_frame(c, WS_OP_CLOSE, payload, len + 2, out);
}

size_t
channel_message(const struct channel *c, const struct control_msg *msg,
    uint8_t *out, size_t cap)
{
	char text[TAUPE_MESSAGE_MAX - WS_HEADER_MAX];
	struct writer w;

	writer_init(&w, text, sizeof(text));
	control_msg_encode(&w, msg);
	if (w.full || writer_len(&w) + WS_HEADER_MAX > cap)
		return 0;
	return channel_frame(c, WS_OP_TEXT, text, writer_len(&w), out);
}

const char *
channel_safe_reason(const char *reason, char out[SAFE_REASON_MAX + 1])
{
	size_t len = 0;

	if (reason == NULL || *reason == '\0')
		reason = "no reason given";
	for (; reason[len] != '\0' && len < SAFE_REASON_MAX; len++)
		out[len] = reason[len] >= 0x20 && reason[len] <= 0x7e
		    ? reason[len]
		    : '?';
	out[len] = '\0';
	return out;
}

/* Gather a piece of a text message. Is it whole? Then that is the event. */
static bool
take_text(struct channel *c, struct ws_event *event)
{
	/* the reader holds messages to the size of the buffer */
	if (event->first)
		c->used = 0;
	if (event->len > 0)
		memcpy(c->buffer + c->used, event->data, event->len);
	c->used += (uint32_t)event->len;
	event->data = c->buffer;
	event->len = c->used;
	return event->last;
}

/* False: it is nobody's business but ours, and what comes next is to be looked at. */
static bool
take_event(
    struct channel *c, struct ws_event *event, struct taupe_output *output)
{
	switch (event->type) {
	case WS_PONG:
	case WS_NEED_ROOM: /* it was lent */
		return false;
	case WS_TEXT:
		return take_text(c, event);
	case WS_PING:
		output->len = channel_frame(
		    c, WS_OP_PONG, event->data, event->len, output->bytes);
		event->type = WS_NEED_MORE;
		break;
	case WS_CLOSED:
		output->len = channel_close(c,
		    event->code == WS_CLOSE_NO_STATUS ? WS_CLOSE_NORMAL
						      : event->code,
		    "", output->bytes);
		break;
	case WS_ERROR:
		output->len =
		    channel_close(c, event->code, event->reason, output->bytes);
		break;
	case WS_NEED_MORE:
	case WS_BINARY:
		break;
	}
	return true;
}

size_t
channel_next(struct channel *c, uint8_t *data, size_t len,
    struct ws_event *event, struct taupe_output *output)
{
	size_t done = 0, consumed;

	/* each time: the driver may have moved us */
	ws_reader_lend(&c->u.reader, c->control);
	do {
		ws_reader_next(
		    &c->u.reader, data + done, len - done, &consumed, event);
		done += consumed;
	} while (!take_event(c, event, output));
	return done;
}
