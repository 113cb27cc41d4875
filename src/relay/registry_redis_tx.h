/* SPDX-License-Identifier: MIT */
/*
 * Transactions: watch, read, decide, MULTI … EXEC, and all over again when somebody else
 * wrote what was watched. Redis keeps what is watched per connection, so a transaction
 * has a lane, a link of its own, until it is over; the others wait in a queue.
 */
#ifndef TAUPE_RELAY_REGISTRY_REDIS_TX_H
#define TAUPE_RELAY_REGISTRY_REDIS_TX_H

#include "net/redis_link.h"
#include "relay/registry.h"
#include "relay/registry_redis_args.h"

#define TX_READS_MAX 8 /* replies of one step */

struct redis_registry;
struct redis_tx;
struct redis_lane;

struct redis_tx_ops {
	const char *name; /* for the log */
	/* Send the first step. Called again, from the start, when EXEC found that what was
	 * watched had changed. */
	void (*begin)(struct redis_tx *tx);
	/* It is over: answer, and free what is around the transaction. quiet: free only. */
	void (*finish)(
	    struct redis_tx *tx, enum registry_status status, bool quiet);
	/* EXEC did not write what was queued; may be NULL. */
	void (*undo)(struct redis_tx *tx);
};

/* Take a reply, which is no error. False: it makes no sense. */
typedef bool (*redis_tx_reply)(struct redis_tx *tx, const redisReply *reply);

/* Embedded in the operation. */
struct redis_tx {
	TAILQ_ENTRY(redis_tx) link;
	struct redis_registry *registry;
	const struct redis_tx_ops *ops;
	const char *subject;	 /* the device that it is about */
	struct redis_lane *lane; /* NULL while it waits for one */
	unsigned attempts;
	bool watching, failed;
	bool executed;	  /* EXEC was answered, and not by nil */
	bool conflict;	  /* by nil */
	size_t n_waiting; /* replies that have not come */
	redis_tx_reply readers[TX_READS_MAX];
	size_t n_readers, next_reader;
	void (*then)(struct redis_tx *tx);
};
TAILQ_HEAD(redis_tx_list, redis_tx);

struct redis_lane {
	struct redis_registry *registry;
	struct redis_link *link;
	struct redis_tx *tx; /* NULL: free */
};

struct redis_lanes {
	struct redis_lane *lanes;
	size_t n;
	struct redis_tx_list waiting;
	struct task dispatch;
};

/* Transactions may wait from now on. */
void redis_lanes_prepare(struct redis_registry *registry);
/* Connect n lanes. -1: no memory. */
int redis_lanes_init(struct redis_registry *registry, size_t n,
    const struct redis_link_config *config);
/* Every transaction is finished quietly. */
void redis_lanes_fini(struct redis_registry *registry);
bool redis_lanes_up(const struct redis_registry *registry);

/* Queue a transaction; its first step comes from the loop. Those about the same subject (kept,
 * not copied: it lives in the operation) run one after the other, in the order of these calls:
 * "it has left" must not overtake "it has come". */
void redis_tx_start(struct redis_registry *registry, struct redis_tx *tx,
    const struct redis_tx_ops *ops, const char *subject);

/* A step is: any number of these, then one of the three below. */
void redis_tx_watch(
    struct redis_tx *tx, struct redis_args *keys); /* frees keys */
void redis_tx_watchf(struct redis_tx *tx, const char *format, ...);
void redis_tx_read(
    struct redis_tx *tx, redis_tx_reply reader, struct redis_args *command);
void redis_tx_readf(
    struct redis_tx *tx, redis_tx_reply reader, const char *format, ...);
void redis_tx_queue(struct redis_tx *tx, struct redis_args *command);
void redis_tx_queuef(struct redis_tx *tx, const char *format, ...);

/* Go on with then() when all replies are there and made sense; else it is over,
 * UNAVAILABLE. */
void redis_tx_then(struct redis_tx *tx, void (*then)(struct redis_tx *tx));
/* Before the first queued command. */
void redis_tx_multi(struct redis_tx *tx);
/* Behind the last one: OK when it was all written. */
void redis_tx_exec(struct redis_tx *tx);
/* It is over with this status, and nothing was written. */
void redis_tx_end(struct redis_tx *tx, enum registry_status status);

#endif
