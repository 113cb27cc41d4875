/* SPDX-License-Identifier: MIT */
/* Frames that a relay sends besides payload: control messages, pings, pongs, closes. */
#ifndef TAUPE_RELAY_WS_SEND_H
#define TAUPE_RELAY_WS_SEND_H

#include "net/conn.h"
#include "wire/control_msg.h"
#include "wire/ws_frame.h"

/* The peer has so much to read that nothing new is begun with it. */
bool ws_is_clogged(const struct conn *conn);
/* False: the message does not fit into CONTROL_MSG_MAX; nothing was sent. */
bool ws_send_message(struct conn *conn, const struct control_msg *msg);
/* The same, but it goes with what is written next (see conn_append()). */
bool ws_append_message(struct conn *conn, const struct control_msg *msg);
/* A text message of up to CONTROL_MSG_MAX bytes, as it is. */
void ws_append_text(struct conn *conn, const char *text, size_t len);
void ws_send_ping(struct conn *conn);
/* With a payload of up to WS_CONTROL_MAX bytes, which the pong repeats. */
void ws_append_ping(struct conn *conn, const void *data, size_t len);
/* The answer to a ping, with its payload of up to WS_CONTROL_MAX bytes. It is to be flushed when
 * all that has come was looked at: with a system call for each, a flood of pings would hold
 * everybody up. A peer that does not read its answers gets no more of them (RFC 6455 section
 * 5.5.3 asks for one to the latest ping only): what waits for it would grow without a bound. */
void ws_append_pong(struct conn *conn, const void *data, size_t len);
/* A close frame; text may be NULL and is cut to what fits. */
void ws_send_close(struct conn *conn, unsigned code, const char *text);
/* The empty binary message: end-of-file. */
void ws_send_eof(struct conn *conn);
void ws_append_eof(struct conn *conn);

#endif
