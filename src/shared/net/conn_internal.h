/* SPDX-License-Identifier: MIT */
/* What conn.c (life, reading, events) and conn_write.c (the queue) need of each other. */
#ifndef TAUPE_NET_CONN_INTERNAL_H
#define TAUPE_NET_CONN_INTERNAL_H

#include "net/conn.h"

/* Bytes that TLS has sealed and the system has not taken; 0 without TLS. */
size_t conn_sealed_bytes(const struct conn *conn);
/* Nothing waits to be written, sealed or not. */
bool conn_is_drained(const struct conn *conn);
/* Write what the system takes, and then the end, if it was asked for. -1: broken. */
int conn_flush_queue(struct conn *conn);
/* The system had no room: hear of it when there is. */
void conn_watch_for_room(struct conn *conn);
/* Level-triggered systems only: watch what is wanted now. */
void conn_update_interest(struct conn *conn);

#endif
