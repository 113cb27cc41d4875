/* SPDX-License-Identifier: MIT */
/*
 * Writes the maps of one view whole, one after the other: the big one, then the overlays
 * with what changed meanwhile. It says which commands go over the conversation, sends the one that takes
 * long on a connection of its own, and takes its time where nobody waits: HAProxy does
 * nothing else while it carries out a command.
 */
#ifndef TAUPE_ROUTER_MAP_WRITER_H
#define TAUPE_ROUTER_MAP_WRITER_H

#include "router/hap_errand.h"
#include "router/map_view.h"

struct map_writer_ops {
	/* There may be a next command again. */
	void (*wake_cb)(void *ctx);
	/* A transaction went wrong outside of map_writer_reply(). */
	void (*failed_cb)(void *ctx, const char *why, struct str reply);
};

struct map_writer {
	struct loop *loop;
	const char *path; /* of the runtime socket */
	uint64_t timeout_ms;
	const struct map_writer_ops *ops;
	void *ctx;
	struct map_view *view; /* whose maps are being written; NULL: none */
	bool patient;	       /* what is written is in HAProxy already */
	struct map_transaction tx;
	struct hap_errand errand;
	unsigned in_a_row; /* commands since the last pause */
	struct timer pause;
};

/* path and ops are kept, not copied. */
void map_writer_init(struct map_writer *writer, struct loop *loop,
    const char *path, uint64_t timeout_ms, const struct map_writer_ops *ops,
    void *ctx);

/* Write the maps of this view, from that one on. patient: HAProxy has every route already,
 * in one map or another. Precondition: it is idle. */
void map_writer_begin(struct map_writer *writer, struct map_view *view,
    enum map_level level, bool patient);
/* Forget what is under way. */
void map_writer_cancel(struct map_writer *writer);

/* Whose maps are being written; NULL: it is idle. */
struct map_view *map_writer_view(const struct map_writer *writer);
/* Is it not waiting for anything? */
bool map_writer_is_ready(const struct map_writer *writer);

/* Write the next command into out[0..cap), cap >= MAP_COMMAND_MIN; returns its length. 0:
 * not now; wake_cb comes. Precondition: it is ready. */
size_t map_writer_command(struct map_writer *writer, char *out, size_t cap);
/* Take the reply. FAILED: *why says what was wrong; DONE: it is idle again. */
enum map_transaction_result map_writer_reply(
    struct map_writer *writer, struct str reply, const char **why);
/* Was a payload under way, or just counted? */
bool map_writer_is_adding(const struct map_writer *writer);
bool map_writer_is_counting(const struct map_writer *writer);

#endif
