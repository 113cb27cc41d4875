/* SPDX-License-Identifier: MIT */
/*
 * A connection of an agent from its first byte until it is a channel: reads the request
 * head, checks the WebSocket handshake, and answers with 101 or with what is wrong.
 */
#ifndef TAUPE_RELAY_UPGRADE_H
#define TAUPE_RELAY_UPGRADE_H

#include "net/tls.h"
#include "relay/relay.h"
#include "wire/handshake.h"

struct upgrade {
	LIST_ENTRY(upgrade) link;
	struct conn conn;
	struct relay *relay;
	const struct upgrade_route *routes;
	struct buf *head; /* what was read; NULL once nobody needs it */
	size_t head_len;
	size_t head_end; /* where the request head ends: the rest is frames */
	struct timer timer;
	uint64_t since_us; /* loop_now_us(): when it was accepted */
	struct address peer;
	struct address named; /* by a trusted proxy as the agent; len 0: nobody */
	struct source *source; /* whose handshake it is; NULL: not counted */
	char from
	    [ADDRESS_TEXT_MAX]; /* the agent's address, through a trusted proxy too */
	char key[WS_KEY_LEN];
	enum tls_peer certificate; /* the agent's own */
	char certified[DEVICE_NAME_MAX + 1]; /* TLS_PEER_NAMED: whose it is */
	struct upgrade **place; /* where somebody has it while it waits; NULL: nobody */
	bool shaking_hands; /* of TLS: nothing can be answered yet */
};

/* What is said besides the status. */
struct upgrade_error {
	unsigned status;
	const char *code; /* error=…: bad_request, unauthorized, held, … */
	const char *reason;		   /* for people */
	const char *location;		   /* 302 */
	unsigned retry_after_s;		   /* 0: no Retry-After */
	bool
	    limited; /* by a limit, which was logged as often as that should be */
	const struct session_info *holder; /* 409 */
};

/* Where a request may go. The callback takes the upgrade; the head, whose handshake is in
 * order, is there during the call only. */
struct upgrade_route {
	const char *path; /* NULL ends the list */
	/* Behind a proxy it counts at its source only if the callback says so: an id that we gave
	 * away says more. */
	bool invited;
	void (*cb)(struct upgrade *upgrade, struct http_head *head);
};

/* An agent has connected without TLS. Takes the descriptor; routes is kept, not copied. */
void upgrade_accept(struct relay *relay, int fd, const struct address *peer,
    const struct upgrade_route *routes);
/* The same with TLS, when its turn has come; since_us is when it was accepted, source the one that it
 * was admitted at. False: no memory, and the source is still the caller's. */
bool upgrade_begin_tls(struct relay *relay, int fd, const struct address *peer,
    const struct upgrade_route *routes, struct tls_context *tls,
    struct source *source, uint64_t since_us);
/* Connections that have not said yet whom they are. */
size_t upgrades_silent(const struct relay *relay);
/* Behind a proxy: it comes from the source that this names. False: that has too many, and the upgrade
 * is gone. */
bool upgrade_count_named(struct upgrade *upgrade);
/* Refuse a request whose parameters are malformed. */
void upgrade_reject_bad(struct upgrade *upgrade, unsigned status, const char *reason);
/* Refuse it, and free the upgrade. */
void upgrade_reject(struct upgrade *upgrade, const struct upgrade_error *error);
/* Refuse it because of who it says it is, which is charged to its source. */
void upgrade_reject_unauthorized(struct upgrade *upgrade, const char *reason);
/* Its agent does not wait for an answer any more: free it. */
void upgrade_give_up(struct upgrade *upgrade);
/* Refuse it because there are too many, for now: at this relay (the limit says of what), or from its
 * source. */
void upgrade_turn_away(struct upgrade *upgrade, enum limit limit);
void upgrade_turn_source_away(struct upgrade *upgrade, unsigned retry_after_s);
/* It waits: *place is it, until it is freed, then NULL. With NULL nobody has it any more. */
void upgrade_wait(struct upgrade *upgrade, struct upgrade **place);
/* Answer 101, which goes with what the caller writes next (see conn_append()). The caller
 * then takes upgrade->conn by moving it, looks at upgrade_rest(), and frees the upgrade. */
void upgrade_switch(struct upgrade *upgrade);
/* NULL when there are none. */
uint8_t *upgrade_rest(struct upgrade *upgrade, size_t *len);
/* The head is not needed any more: whoever waits for long holds no buffer for it. */
void upgrade_head_read(struct upgrade *upgrade);
void upgrade_free(struct upgrade *upgrade);

#endif
