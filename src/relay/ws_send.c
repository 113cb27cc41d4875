/* SPDX-License-Identifier: MIT */
/* A server's frames are not masked (RFC 6455 section 5.1). */
#include "config.h"

#include <assert.h>

#include "relay/ws_send.h"

/* More than a slow reader's visit leaves there, which is one read of the visitor. */
#define CLOGGED_BYTES (2u * BUF_LARGE)

static void
append_frame(
    struct conn *conn, enum ws_opcode opcode, const void *data, size_t len)
{
	struct ws_header header = {
	    .length = len, .opcode = opcode, .fin = true};
	uint8_t frame[WS_HEADER_MAX + CONTROL_MSG_MAX];
	size_t head = ws_header_encode(&header, frame);

	assert(len <= CONTROL_MSG_MAX);
	if (len > 0)
		memcpy(frame + head, data, len);
	(void)conn_append(
	    conn, frame, head + len); /* if it breaks, broken_cb says so */
}

static void
send_frame(
    struct conn *conn, enum ws_opcode opcode, const void *data, size_t len)
{
	append_frame(conn, opcode, data, len);
	(void)conn_flush(conn);
}

bool
ws_append_message(struct conn *conn, const struct control_msg *msg)
{
	char text[CONTROL_MSG_MAX];
	struct writer w;

	writer_init(&w, text, sizeof(text));
	control_msg_encode(&w, msg);
	if (w.full)
		return false;
	append_frame(conn, WS_OP_TEXT, text, writer_len(&w));
	return true;
}

bool
ws_send_message(struct conn *conn, const struct control_msg *msg)
{
	if (!ws_append_message(conn, msg))
		return false;
	(void)conn_flush(conn);
	return true;
}

bool
ws_is_clogged(const struct conn *conn)
{
	return conn_queued(conn) >= CLOGGED_BYTES;
}

void
ws_append_text(struct conn *conn, const char *text, size_t len)
{
	append_frame(conn, WS_OP_TEXT, text, len);
}

void
ws_send_ping(struct conn *conn)
{
	send_frame(conn, WS_OP_PING, NULL, 0);
}

void
ws_append_ping(struct conn *conn, const void *data, size_t len)
{
	append_frame(conn, WS_OP_PING, data, len);
}

void
ws_append_pong(struct conn *conn, const void *data, size_t len)
{
	assert(len <= WS_CONTROL_MAX);
	if (!ws_is_clogged(conn))
		append_frame(conn, WS_OP_PONG, data, len);
}

void
ws_send_close(struct conn *conn, unsigned code, const char *text)
{
	uint8_t payload[WS_CONTROL_MAX];
	size_t len = text != NULL ? strlen(text) : 0;

	if (len > sizeof(payload) - 2)
		len = sizeof(payload) - 2;
	payload[0] = (uint8_t)(code >> 8);
	payload[1] = (uint8_t)code;
	if (len > 0)
		memcpy(payload + 2, text, len);
	send_frame(conn, WS_OP_CLOSE, payload, len + 2);
}

void
ws_append_eof(struct conn *conn)
{
	append_frame(conn, WS_OP_BINARY, NULL, 0);
}

void
ws_send_eof(struct conn *conn)
{
	send_frame(conn, WS_OP_BINARY, NULL, 0);
}
