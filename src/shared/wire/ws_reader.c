/* SPDX-License-Identifier: MIT */
/*
 * The receiving side of a WebSocket. Each call does one of three things: gather a
 * header, report a piece of data where it lies, or report a control frame. What it
 * knows between two calls is in struct ws_reader and nowhere else.
 */
#include "wire/ws_reader.h"

static bool
is_server(const struct ws_reader *r)
{
#ifdef TAUPE_DEVICE_ONLY
	(void)r;
	return false;
#else
	return r->server;
#endif
}

void
ws_reader_init(struct ws_reader *r, enum ws_role role, uint32_t text_max)
{
	memset(r, 0, sizeof(*r));
#ifndef TAUPE_DEVICE_ONLY
	r->server = role == WS_SERVER;
#else
	(void)role;
#endif
	r->text_max = text_max;
}

void
ws_reader_lend(struct ws_reader *r, uint8_t *room)
{
	r->room = room;
}

bool
ws_reader_at_rest(const struct ws_reader *r)
{
	return !r->in_frame && r->gathered == 0 && r->message_op == 0;
}

WIRE_COLD static void
fail(struct ws_reader *r, struct ws_event *event, unsigned code,
    const char *reason)
{
	memset(event, 0, sizeof(*event));
	event->type = WS_ERROR;
	event->code = code;
	event->reason = reason;
	r->in_frame = false;
	r->dead = true;
}

static bool
is_control(unsigned opcode)
{
	return opcode >= WS_OP_CLOSE;
}

/* May a frame with this header come now? NULL, or what is wrong. */
static const char *
check_order(const struct ws_reader *r, const struct ws_header *header)
{
	if (header->masked != is_server(r))
		return is_server(r) ? SAYS("unmasked frame from a client")
				    : SAYS("masked frame from a server");
	if (is_control(header->opcode))
		return NULL;
	if (header->opcode == WS_OP_CONTINUATION && r->message_op == 0)
		return SAYS("continuation of no message");
	if (header->opcode != WS_OP_CONTINUATION && r->message_op != 0)
		return SAYS("new message inside an unfinished one");
	return NULL;
}

/* Take up the frame whose header has just been read. */
static void
begin_frame(
    struct ws_reader *r, const struct ws_header *header, struct ws_event *event)
{
	const char *wrong = check_order(r, header);

	if (wrong != NULL) {
		fail(r, event, WS_CLOSE_PROTOCOL_ERROR, wrong);
		return;
	}
	r->in_frame = true;
	r->left = header->length;
	if (is_server(r)) {
		memcpy(r->mask, header->mask, sizeof(r->mask));
		r->phase = 0;
	}
	r->opcode = (uint8_t)header->opcode;
	r->fin = header->fin;
	if (is_control(r->opcode))
		return;
	if (r->opcode != WS_OP_CONTINUATION) {
		r->message_op = r->opcode;
		r->message_length = 0;
		r->fresh = true;
	}
	if (r->message_op == WS_OP_TEXT &&
	    header->length > r->text_max - r->message_length)
		fail(r, event, WS_CLOSE_TOO_BIG, SAYS("text message too long"));
}

/* Decode a header, straight from buf where it is whole there. */
static enum wire_result
decode_header(struct ws_reader *r, const uint8_t *buf, size_t len,
    struct ws_header *header, size_t *consumed)
{
	enum wire_result result;
	size_t taken, room = WS_HEADER_MAX - r->gathered;

#ifndef TAUPE_WITHOUT_FAST_PATHS
	if (r->gathered == 0) {
		result = ws_header_decode(buf, len, header, consumed);
		if (result != WIRE_MORE)
			return result;
	}
#endif
	taken = len < room ? len : room;
	if (taken > 0)
		memcpy(r->head + r->gathered, buf, taken);
	result =
	    ws_header_decode(r->head, r->gathered + taken, header, consumed);
	if (result == WIRE_MORE) {
		/* no header is longer than the room, so all of buf was taken */
		r->gathered = (uint8_t)(r->gathered + taken);
		*consumed = taken;
	} else {
		*consumed -= r->gathered;
		r->gathered = 0;
	}
	return result;
}

static void
take_header(struct ws_reader *r, const uint8_t *buf, size_t len,
    size_t *consumed, struct ws_event *event)
{
	struct ws_header header;

	switch (decode_header(r, buf, len, &header, consumed)) {
	case WIRE_MORE:
		break;
	case WIRE_BAD:
		fail(r, event, WS_CLOSE_PROTOCOL_ERROR,
		    SAYS("malformed frame header"));
		break;
	case WIRE_DONE:
		begin_frame(r, &header, event);
		break;
	}
}

#ifdef TAUPE_WITHOUT_FAST_PATHS

static bool
is_text(const uint8_t *data, size_t len)
{
	for (; len > 0; data++, len--)
		if (*data < 0x20 || *data > 0x7e)
			return false;
	return true;
}

#else

#define EACH_BYTE UINT64_C(0x0101010101010101)

/* Eight bytes at a time: the highest bit of one, or of one less 0x20, or of one more 1, is set where
 * it is no text (and what is carried or borrowed comes from such a one). */
static bool
is_text(const uint8_t *data, size_t len)
{
	for (; len >= 8; data += 8, len -= 8) {
		uint64_t word;

		memcpy(&word, data, sizeof(word));
		if (((word | (word - 0x20 * EACH_BYTE) | (word + EACH_BYTE)) &
			(0x80 * EACH_BYTE)) != 0)
			return false;
	}
	for (; len > 0; data++, len--)
		if (*data < 0x20 || *data > 0x7e)
			return false;
	return true;
}

#endif

/* Report a piece of the current data frame: what buf holds of it. */
static void
take_data(
    struct ws_reader *r, uint8_t *buf, size_t piece, struct ws_event *event)
{
	event->data = buf;
	event->len = piece;
	if (r->message_op == WS_OP_TEXT) {
		if (is_server(r))
			ws_mask(buf, piece, r->mask, r->phase);
		if (!is_text(buf, piece)) {
			fail(r, event, WS_CLOSE_INVALID_DATA,
			    SAYS("text that is not ASCII"));
			return;
		}
		event->type = WS_TEXT;
	} else {
		event->type = WS_BINARY;
		if (is_server(r)) {
			memcpy(event->mask, r->mask, sizeof(event->mask));
			event->phase = r->phase;
		}
	}
	r->left -= piece;
	if (is_server(r))
		r->phase = (r->phase + piece) & 3;
	r->message_length += piece;
	event->message_length = r->message_length;
	event->first = r->fresh;
	r->fresh = false;
	r->in_frame = r->left > 0;
	event->last = !r->in_frame && r->fin;
	if (event->last)
		r->message_op = 0;
}

static void
report_close(
    struct ws_reader *r, uint8_t *data, size_t len, struct ws_event *event)
{
	event->type = WS_CLOSED;
	event->code = WS_CLOSE_NO_STATUS;
	event->data = data;
	r->dead = true;
	if (len == 0)
		return;
	event->code = len >= 2 ? (unsigned)data[0] << 8 | data[1] : 0;
	if (!ws_close_code_valid(event->code)) {
		fail(r, event, WS_CLOSE_PROTOCOL_ERROR,
		    SAYS("close frame with a bad code"));
		return;
	}
	event->data = data + 2;
	event->len = len - 2;
}

/* Report the current control frame once its payload is whole. False: there is no room for
 * what buf holds of it. */
static bool
take_control(
    struct ws_reader *r, uint8_t *data, size_t piece, struct ws_event *event)
{
	if (piece < r->left && r->room == NULL) {
		event->type = WS_NEED_ROOM;
		return false;
	}
	if (piece > 0 && (piece < r->left || r->gathered > 0)) {
		memcpy(r->room + r->gathered, data, piece);
		r->gathered = (uint8_t)(r->gathered + piece);
	}
	r->left -= piece;
	if (r->left > 0)
		return true;
	if (r->gathered > 0) {
		data = r->room;
		piece = r->gathered;
	}
	r->gathered = 0;
	r->in_frame = false;
	if (is_server(r))
		ws_mask(data, piece, r->mask, 0);
	if (r->opcode == WS_OP_CLOSE) {
		report_close(r, data, piece, event);
		return true;
	}
	event->type = r->opcode == WS_OP_PING ? WS_PING : WS_PONG;
	event->data = data;
	event->len = piece;
	return true;
}

void
ws_reader_next(struct ws_reader *r, uint8_t *buf, size_t len, size_t *consumed,
    struct ws_event *event)
{
	size_t done = 0, piece;

	memset(event, 0, sizeof(*event));
	if (!r->in_frame && !r->dead)
		take_header(r, buf, len, &done, event);
	if (r->in_frame) {
		piece = len - done;
		if (piece > r->left)
			piece = (size_t)r->left;
		if (piece > 0)
			buf += done;
		if (is_control(r->opcode)) {
			if (take_control(r, buf, piece, event))
				done += piece;
		} else if (piece > 0 || r->left == 0) {
			take_data(r, buf, piece, event);
			done += piece;
		}
	}
	*consumed = r->dead && event->type != WS_CLOSED ? len : done;
}

/* Of the frame whose header begins with what was gathered and goes on in buf. */
static bool
header_is_of_payload(const struct ws_reader *r, const uint8_t *buf, size_t len)
{
	uint8_t head[WS_HEADER_MAX];
	struct ws_header header;
	size_t room = WS_HEADER_MAX - r->gathered, consumed;

	if (len > room)
		len = room;
	memcpy(head, r->head, r->gathered);
	memcpy(head + r->gathered, buf, len);
	switch (ws_header_decode(head, r->gathered + len, &header, &consumed)) {
	case WIRE_MORE:
		return true;
	case WIRE_BAD:
		return false;
	case WIRE_DONE:
		break;
	}
	return header.length > 0 && !is_control(header.opcode) &&
	    check_order(r, &header) == NULL &&
	    (header.opcode == WS_OP_BINARY || r->message_op == WS_OP_BINARY);
}

bool
ws_reader_is_at_payload(
    const struct ws_reader *r, const uint8_t *buf, size_t len)
{
	if (r->dead)
		return false;
	if (r->in_frame)
		return !is_control(r->opcode) && r->message_op == WS_OP_BINARY;
	return header_is_of_payload(r, buf, len);
}
