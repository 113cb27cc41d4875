/* SPDX-License-Identifier: MIT */
/* Frames that a relay sends besides payload: control messages, pings, pongs, closes. */
#ifndef TAUPE_RELAY_WS_SEND_H
#define TAUPE_RELAY_WS_SEND_H

#include "net/conn.h"
#include "wire/control_msg.h"
#include "wire/ws_frame.h"

/* False: the message does not fit into CONTROL_MSG_MAX; nothing was sent. */
bool ws_send_message(struct conn *conn, const struct control_msg *msg);
/* A ping or pong of up to WS_CONTROL_MAX bytes. */
void ws_send_control(
    struct conn *conn, enum ws_opcode opcode, const void *data, size_t len);
/* A close frame; text may be NULL and is cut to what fits. */
void ws_send_close(struct conn *conn, unsigned code, const char *text);
/* The empty binary message: end-of-file. */
void ws_send_eof(struct conn *conn);

#endif
