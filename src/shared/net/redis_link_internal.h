/* SPDX-License-Identifier: MIT */
/* What the files of the Redis link share: redis_link.c owns the state, commands and
 * replies, redis_dial.c the way to a connection, redis_greet.c the first commands on it,
 * redis_primary.c what a link does that Sentinels lead. */
#ifndef TAUPE_NET_REDIS_LINK_INTERNAL_H
#define TAUPE_NET_REDIS_LINK_INTERNAL_H

#include "net/conn.h"
#include "net/redis_link.h"
#include "net/redis_sentinel.h"
#include "net/resolve.h"

enum link_state {
	LINK_WAITING, /* for the back-off to end */
	LINK_ASKING,  /* the Sentinels where the primary is */
	LINK_RESOLVING,
	LINK_CONNECTING,
	LINK_GREETING, /* AUTH, SELECT, CLIENT SETNAME, ROLE, PING were sent */
	LINK_UP,
	LINK_DOOMED /* go_down() comes at the next turn of the loop */
};

struct pending {
	STAILQ_ENTRY(pending) link;
	redis_reply_cb cb;
	void *ctx;
	uint64_t due_ms;
};
STAILQ_HEAD(pending_list, pending);

struct redis_link {
	struct loop *loop;
	char *host; /* NULL until the Sentinels have named one */
	char *user, *password, *name;
	uint16_t port;
	int database;
	uint64_t timeout_ms;
	redis_state_cb state_cb;
	void *ctx;
	void (*failed_cb)(void *ctx, const char *why);
	redis_reply_cb unasked_cb;
	struct redis_sentinel *sentinel; /* NULL: host is who it is */
	struct redis_sentinel_client place;
	struct {
		bool found; /* this attempt goes to whom the Sentinels have named */
		char *last_host; /* where it was up last */
		uint16_t last_port; /* 0: nowhere */
		bool moved; /* elsewhere than now, and the owner was not told */
	} primary;

	enum link_state state;
	struct conn conn;
	redisReader *reader;
	struct resolver *resolver; /* NULL until a name has to be looked up */
	struct resolve_request *request;
	struct address addresses[RESOLVE_MAX];
	size_t n_addresses, next_address;
	struct pending_list pending;
	struct buf *out; /* commands of this turn */
	uint32_t out_len;
	struct task flush_task, doom_task;
	struct timer retry, deadline;
	uint32_t backoff_ms;
	uint64_t up_since_ms;
	bool told_up;
	char why[REDIS_WHY_MAX]; /* it is doomed */
	struct redis_link_log *log, own_log;
	int busy;		    /* callbacks under way */
	bool freed; /* meanwhile: the memory goes when they have returned */
};

/* Every call from the loop runs between these two, so that the owner may free the link
 * from inside any callback. */
void redis_link_enter(struct redis_link *link);
void redis_link_leave(struct redis_link *link);

/* Disconnect, make the callbacks, and try again later. From the loop only; elsewhere it
 * is redis_link_reset(). */
void redis_link_go_down(struct redis_link *link, const char *why);
/* The greeting is over: commands may pass. */
void redis_link_go_up(struct redis_link *link);
/* Send a command whether the link is up or not. */
int redis_link_submit(struct redis_link *link, redis_reply_cb cb, void *ctx,
    int argc, const char *const *argv, const size_t *lens);

/* No longer than for the smallest back-off, if it is waiting for one. */
void redis_link_retry_soon(struct redis_link *link);

/* Start to connect. */
void redis_dial(struct redis_link *link);
/* The connection is there: say who we are. */
void redis_greet(struct redis_link *link);

/* A link that Sentinels lead; without them these do nothing, but for the two that say so. */
void redis_primary_init(struct redis_link *link);
void redis_primary_fini(struct redis_link *link);
void redis_primary_ask(struct redis_link *link);  /* Start to connect. Sentinels only. */
int redis_primary_greet(struct redis_link *link); /* Submit ROLE. Sentinels only. */
void redis_primary_up(struct redis_link *link);
void redis_primary_down(struct redis_link *link); /* while told_up is as it was */
void redis_primary_check(struct redis_link *link, const redisReply *reply);

/* For the connection while it is greeted and up. */
void redis_link_readable_cb(struct conn *conn);
void redis_link_broken_cb(struct conn *conn);

#endif
