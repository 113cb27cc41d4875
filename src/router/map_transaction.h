/* SPDX-License-Identifier: MIT */
/*
 * Replacing a whole HAProxy map at once: prepare a version, add every entry to it, count,
 * commit, and look some up. A state machine without I/O: the owner sends the commands and
 * hands the replies back.
 *
 * Nothing is believed: a payload that is too long for HAProxy's buffer is dropped without
 * a word, so the entries are counted before the commit and a few are read back after it.
 */
#ifndef TAUPE_ROUTER_MAP_TRANSACTION_H
#define TAUPE_ROUTER_MAP_TRANSACTION_H

#include "net/route.h"

#define MAP_NAME_MAX 512     /* characters of a map's name, which is a path */
#define MAP_COMMAND_MIN 1024 /* smallest limit that any one line fits in */
#define MAP_SAMPLES 4

/* The next entry that the map shall have; false at the end. The key stays valid until
 * the next call of anything. */
typedef bool (*map_source_cb)(
    void *ctx, struct str *key, char value[ROUTE_VALUE_TEXT_MAX]);

struct map_line {
	char key[ROUTE_KEY_TEXT_MAX + 1];
	char value[ROUTE_VALUE_TEXT_MAX];
};

enum map_transaction_step {
	MAP_STEP_LOOK,
	MAP_STEP_PREPARE,
	MAP_STEP_ADD,
	MAP_STEP_COUNT,
	MAP_STEP_COMMIT,
	MAP_STEP_SAMPLE,
	MAP_STEP_DONE
};

struct map_transaction {
	enum map_transaction_step
	    step; /* the command that comes next, or whose reply does */
	const char *map;
	map_source_cb source;
	void *ctx;
	uint64_t version;
	uint64_t before; /* entries that the map had */
	uint64_t added;
	bool counts; /* HAProxy says how many entries a map has */
	bool has_held;
	struct map_line held; /* did not fit into the last command */
	size_t n_samples, next_sample;
	struct map_line samples[MAP_SAMPLES];
};

enum map_transaction_result {
	MAP_TRANSACTION_MORE,
	MAP_TRANSACTION_DONE,
	MAP_TRANSACTION_FAILED
};

/* map is kept, not copied. */
void map_transaction_begin(struct map_transaction *tx, const char *map,
    map_source_cb source, void *ctx);

/* Write the next command, with its line end and payload, into out[0..cap), cap >=
 * MAP_COMMAND_MIN; returns its length. */
size_t map_transaction_command(
    struct map_transaction *tx, char *out, size_t cap);

/* Take the reply. FAILED: *why says what was wrong; nothing was committed, or (a sample
 * that is wrong) the map is not what it should be. */
enum map_transaction_result map_transaction_reply(
    struct map_transaction *tx, struct str reply, const char **why);

#endif
