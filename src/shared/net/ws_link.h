/* SPDX-License-Identifier: MIT */
/*
 * One TCP connection carried by one WebSocket: what taupectl connect and its relay have between them.
 * Bytes are binary frames, an empty one is the end of its direction, and there is nothing else but
 * pings and the close frame. Both ends are this; they differ in who masks.
 */
#ifndef TAUPE_NET_WS_LINK_H
#define TAUPE_NET_WS_LINK_H

#include "net/pump.h"
#include "wire/ws_reader.h"

enum ws_link_end {
	WS_LINK_DONE,	/* both directions have ended */
	WS_LINK_RESET,	/* the raw connection was reset */
	WS_LINK_CLOSED, /* the peer has closed the WebSocket before that */
	WS_LINK_LOST,	/* the WebSocket ended without a close frame */
	WS_LINK_BROKEN	/* the peer broke the protocol */
};

struct ws_link;
/* It is over: the owner ends it with one of the functions below. code and reason are the peer's, of
 * WS_LINK_CLOSED, or what to close with, of WS_LINK_BROKEN; the text is what a peer has sent. */
typedef void (*ws_link_cb)(void *owner, enum ws_link_end end, unsigned code,
    struct str reason);

struct ws_link {
	struct conn channel, raw;
	struct pump pump;
	struct ws_reader reader;
	enum ws_role role;
	ws_link_cb cb;
	void *owner;
	bool heard; /* something has come over the WebSocket; the owner may clear it */
	bool raw_ended, channel_ended; /* their directions */
	bool pong_waits;
	uint8_t room[WS_CONTROL_MAX];
};

/* Take over both connections, the WebSocket's handshake being done; they are as after conn_fini()
 * then. What came behind the handshake follows with ws_link_feed(). -1: one is lost, both are
 * closed, and there is no link. */
int ws_link_init(struct ws_link *link, enum ws_role role, struct conn *channel,
    struct conn *raw, ws_link_cb cb, void *owner);
/* The link may be over afterwards. */
void ws_link_feed(struct ws_link *link, const uint8_t *data, size_t len);
void ws_link_ping(struct ws_link *link);

/* End it: what is queued is written, then both end. */
struct farewells;
void ws_link_finish(struct ws_link *link, struct farewells *farewells);
/* End it early: the peer is told why, the raw connection is reset. */
void ws_link_close(struct ws_link *link, struct farewells *farewells,
    unsigned code, const char *reason);
/* Cut both. */
void ws_link_abort(struct ws_link *link);

#endif
