/* SPDX-License-Identifier: MIT */
/*
 * Transactions: watch, read, decide, MULTI … EXEC, and all over again when somebody else
 * wrote what was watched. On which link, and with whom, is registry_redis_lane.h's business.
 */
#ifndef TAUPE_REGISTRY_REGISTRY_REDIS_TX_H
#define TAUPE_REGISTRY_REGISTRY_REDIS_TX_H

#include "base/hash_map.h"
#include "net/redis_link.h"
#include "registry/registry.h"
#include "registry/registry_redis_args.h"

#define TX_READS_MAX 8	  /* replies of one step */
#define TX_TOUCHED_MAX 24 /* keys; who touches more does not share a lane */

struct redis_registry;
struct redis_tx;
struct redis_lane;

struct redis_tx_ops {
	const char *name; /* for the log */
	/* Somebody waits for it for so long: it is not begun after that, UNAVAILABLE, and before
	 * that as often as others write what it watches. 0: it is begun however late, and a
	 * hundred times at most. */
	uint64_t patience_ms;
	/* Send the first step. Called again, from the start, when EXEC found that what was
	 * watched had changed. */
	void (*begin)(struct redis_tx *tx);
	/* It is over: answer, and free what is around the transaction. quiet: free only. */
	void (*finish)(
	    struct redis_tx *tx, enum registry_status status, bool quiet);
	/* What write() queued was not written; may be NULL. */
	void (*undo)(struct redis_tx *tx);
};

/* Take a reply, which is no error. False: it makes no sense. */
typedef bool (*redis_tx_reply)(struct redis_tx *tx, const redisReply *reply);

TAILQ_HEAD(redis_tx_list, redis_tx);

/* Embedded in the operation. */
struct redis_tx {
	TAILQ_ENTRY(redis_tx)
	link; /* among those that wait, its lane's riders, or the first one's later */
	struct hash_node by_subject; /* in lanes.subjects, when it is the first */
	struct redis_tx_list later;  /* about the same subject, in order; the same */
	struct redis_registry *registry;
	const struct redis_tx_ops *ops;
	const char *subject;	 /* the device or fleet that it is about */
	struct redis_lane *lane; /* NULL while it waits for one */
	uint64_t since_ms;	 /* loop clock: when it was started */
	unsigned n_conflicts;
	bool alone; /* wants a lane of its own */
	bool failed;
	bool ready; /* to write */
	void (*then)(struct redis_tx *tx);
	void (*write)(struct redis_tx *tx);
	/* the step of reading */
	unsigned n_steps;
	size_t n_waiting; /* replies that have not come */
	redis_tx_reply readers[TX_READS_MAX];
	size_t n_readers, next_reader;
	/* its part of what EXEC answers */
	size_t first_queued, n_queued;
	/* keys that it watches, or writes where others watch; may be more than have room */
	uint64_t touched[TX_TOUCHED_MAX];
	size_t n_touched;
};

/* Queue a transaction; its first step comes from the loop. Those about the same subject (kept,
 * not copied: it lives in the operation) run one after the other, in the order of these calls:
 * "it has left" must not overtake "it has come". Without memory it is finished, UNAVAILABLE,
 * from inside the call. */
void redis_tx_start(struct redis_registry *registry, struct redis_tx *tx,
    const struct redis_tx_ops *ops, const char *subject);

/* A step is: any number of these, then one of the three below. */
void redis_tx_watch(
    struct redis_tx *tx, struct redis_args *command); /* frees it */
void redis_tx_read(
    struct redis_tx *tx, redis_tx_reply reader, struct redis_args *command);
void redis_tx_readf(
    struct redis_tx *tx, redis_tx_reply reader, const char *format, ...);

/* Go on with then() when all replies are there and made sense; else it is over,
 * UNAVAILABLE. */
void redis_tx_then(struct redis_tx *tx, void (*then)(struct redis_tx *tx));
/* Nothing more is to be read: write() queues what shall be written, when its turn has come.
 * OK when it was all written. */
void redis_tx_write(struct redis_tx *tx, void (*write)(struct redis_tx *tx));
/* It is over with this status, and nothing was written. */
void redis_tx_end(struct redis_tx *tx, enum registry_status status);

/* For write(): a command of the MULTI. */
void redis_tx_queue(struct redis_tx *tx, struct redis_args *command);
void redis_tx_queuef(struct redis_tx *tx, const char *format, ...);

#endif
