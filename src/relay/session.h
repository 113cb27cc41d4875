/* SPDX-License-Identifier: MIT */
/*
 * A session: one control channel after its handshake. Knows when the agent was last
 * heard, answers pings, probes, and carries control messages.
 */
#ifndef TAUPE_RELAY_SESSION_H
#define TAUPE_RELAY_SESSION_H

#include "relay/device.h"
#include "wire/ws_reader.h"

/* Who wants to know whether a session lives. */
struct probe {
	LIST_ENTRY(probe) link;
	void (*cb)(void *ctx,
	    bool alive); /* called once; the session may be gone by then */
	void *ctx;
};

/* What it has been for, as far as that is counted. */
struct session_tally {
	uint64_t visits, bytes_in, bytes_out;
};

struct session {
	struct conn conn;
	struct ws_reader reader;
	struct device *device;
	struct grant *grant; /* its own: the device may have a newer one already */
	struct session_tally *tally; /* NULL: nobody has visited */
	char *text;	    /* of a message that came in pieces; NULL else */
	uint64_t heard_ms;  /* loop clock: last frame */
	uint64_t probed_ms; /* when the outstanding probe was sent; 0: none */
	LIST_HEAD(, probe) probes;
};

/* Make a session of an upgraded connection: takes conn (moved), and the len bytes that
 * came behind its handshake. NULL: no memory; conn is closed. The caller then calls
 * device_online(), which sends the welcome. */
struct session *session_new(struct device *device, struct conn *conn);
/* Add to what is told of it at its end. */
void session_count(struct session *session, uint64_t visits, uint64_t bytes_in,
    uint64_t bytes_out);
/* A frame of the agent has come, or a whole message that is about no visit. */
void session_heard(struct session *session);
void session_take_message(
    struct session *session, const struct control_msg *msg);
/* Look at bytes that came with the handshake; the session may be gone afterwards. */
void session_feed(struct session *session, uint8_t *data, size_t len);

/* Send the welcome: the first message. */
void session_welcome(struct session *session);
/* Ask for a transfer channel, or a shared one; service may be NULL. */
void session_send_open(
    struct session *session, const char *id, const char *service, bool shared);
/* Ask it to go elsewhere; to may be NULL. It counts as moving from then on. */
void session_send_move(
    struct session *session, const char *to, const char *reason);

/* Ask it to draw another secret. */
void session_ask_secret(struct session *session);
/* Answer what it has drawn: its hash, with a lease that is signed for it; or, sha256 NULL, why
 * it was not taken. */
void session_confirm_secret(struct session *session,
    const uint8_t sha256[SECRET_HASH_LEN], const char *error);

/* Ask whether the agent lives: cb(ctx, true) at the first frame, cb(ctx, false) after the
 * probe timeout, when the session has been closed. probe NULL: only the second matters. */
void session_probe(struct session *session, struct probe *probe);
void probe_cancel(struct probe *probe);

/* When, on the loop's clock, the agent has been silent for too long, or owes the answer to
 * a probe, or a heartbeat: its device looks at it again then, so that a frame costs a store and no
 * timer is moved. */
uint64_t session_due_ms(const struct session *session);
/* Probe or end it if that is now. True: it is gone, and the device is offline. */
bool session_tend(struct session *session);

/* End it, telling the agent why; the device is offline afterwards unless the session was
 * replaced already. Frees the session. */
void session_close(struct session *session, enum close_reason reason);
/* The same, with the code and text of the close frame; code 0 sends none. */
void session_end(struct session *session, enum close_reason reason,
    unsigned code, const char *text);

#endif
