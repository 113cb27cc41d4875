/* SPDX-License-Identifier: MIT */
/*
 * The order of commands: show map, prepare map, add map … << (as often as needed), show
 * map, commit map, get map. A version that was prepared and never committed, because
 * something went wrong, is purged by HAProxy at the next commit.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "net/hap_reply.h"
#include "router/map_transaction.h"

void
map_transaction_begin(struct map_transaction *tx, const char *map,
    map_source_cb source, void *ctx)
{
	memset(tx, 0, sizeof(*tx));
	tx->map = map;
	tx->source = source;
	tx->ctx = ctx;
}

static bool
next_line(struct map_transaction *tx, struct map_line *line)
{
	struct str key;

	if (tx->has_held) {
		*line = tx->held;
		tx->has_held = false;
		return true;
	}
	return tx->source(tx->ctx, &key, line->value) &&
	    str_copy(key, line->key, sizeof(line->key));
}

/* The first lines, and later ones now and then: the n-th becomes a sample when n is a
 * power of two, so that they spread over the commands. */
static void
take_sample(struct map_transaction *tx, const struct map_line *line)
{
	uint64_t n = tx->added;

	if ((n & (n - 1)) != 0)
		return;
	tx->samples[tx->next_sample] = *line;
	tx->next_sample = (tx->next_sample + 1) % MAP_SAMPLES;
	if (tx->n_samples < MAP_SAMPLES)
		tx->n_samples++;
}

/* A payload; when there is nothing to put in, no command: the step moves on. */
static size_t
write_payload(struct map_transaction *tx, char *out, size_t cap)
{
	struct map_line line;
	struct writer w;
	size_t head;

	/* one byte for the empty line that ends the payload */
	writer_init(&w, out, cap - 1);
	writer_cstr(&w, "add map @");
	writer_u64(&w, tx->version);
	writer_cstr(&w, " ");
	writer_cstr(&w, tx->map);
	writer_cstr(&w, " <<\n");
	head = writer_len(&w);
	while (next_line(tx, &line)) {
		size_t len = strlen(line.key) + 1 + strlen(line.value) + 1;

		if (len > cap - 1 - writer_len(&w)) {
			tx->held = line;
			tx->has_held = true;
			break;
		}
		writer_cstr(&w, line.key);
		writer_cstr(&w, " ");
		writer_cstr(&w, line.value);
		writer_cstr(&w, "\n");
		tx->added++;
		take_sample(tx, &line);
	}
	assert(!w.full);
	if (writer_len(&w) == head)
		return 0;
	out[writer_len(&w)] = '\n';
	return writer_len(&w) + 1;
}

static size_t
write_line(
    char *out, size_t cap, const char *verb, const char *map, const char *key)
{
	int n = snprintf(out, cap, "%s%s%s%s%s\n", verb, map ? " " : "",
	    map ? map : "", key ? " " : "", key ? key : "");

	assert(n > 0 && (size_t)n < cap);
	return (size_t)n;
}

static size_t
write_commit(const struct map_transaction *tx, char *out, size_t cap)
{
	char verb[48];

	snprintf(verb, sizeof(verb), "commit map @%" PRIu64, tx->version);
	return write_line(out, cap, verb, tx->map, NULL);
}

size_t
map_transaction_command(struct map_transaction *tx, char *out, size_t cap)
{
	size_t len;

	assert(cap >= MAP_COMMAND_MIN && strlen(tx->map) <= MAP_NAME_MAX);
	if (tx->step == MAP_STEP_ADD) {
		len = write_payload(tx, out, cap);
		if (len > 0)
			return len;
		tx->step = MAP_STEP_COUNT;
	}
	switch (tx->step) {
	case MAP_STEP_PREPARE:
		return write_line(out, cap, "prepare map", tx->map, NULL);
	case MAP_STEP_COMMIT:
		return write_commit(tx, out, cap);
	case MAP_STEP_SAMPLE:
		return write_line(out, cap, "get map", tx->map,
		    tx->samples[tx->next_sample].key);
	default:
		return write_line(out, cap, "show map", NULL, NULL);
	}
}

static bool
find_count(const struct map_transaction *tx, struct str reply, bool *counts,
    uint64_t *count)
{
	struct hap_map_line line;

	while (hap_map_line_next(&reply, &line)) {
		if (!str_equal(line.file, str_of(tx->map)))
			continue;
		*counts = line.has_entries;
		*count = line.entries;
		return true;
	}
	return false;
}

/* Each sample once; the last one that is right ends the transaction. */
static enum map_transaction_result
check_sample(struct map_transaction *tx, struct str reply, const char **why)
{
	const struct map_line *line = &tx->samples[tx->next_sample];
	struct str value;

	if (!hap_value_parse(reply, &value) ||
	    !str_equal(value, str_of(line->value))) {
		*why = "an entry that was added reads otherwise";
		return MAP_TRANSACTION_FAILED;
	}
	if (++tx->next_sample < tx->n_samples)
		return MAP_TRANSACTION_MORE;
	tx->step = MAP_STEP_DONE;
	return MAP_TRANSACTION_DONE;
}

static enum map_transaction_result
committed(struct map_transaction *tx)
{
	tx->next_sample = 0;
	tx->step = tx->n_samples > 0 ? MAP_STEP_SAMPLE : MAP_STEP_DONE;
	return tx->n_samples > 0 ? MAP_TRANSACTION_MORE : MAP_TRANSACTION_DONE;
}

enum map_transaction_result
map_transaction_reply(
    struct map_transaction *tx, struct str reply, const char **why)
{
	uint64_t count = 0;

	switch (tx->step) {
	case MAP_STEP_LOOK:
		if (!find_count(tx, reply, &tx->counts, &tx->before))
			goto no_map;
		tx->step = MAP_STEP_PREPARE;
		return MAP_TRANSACTION_MORE;
	case MAP_STEP_PREPARE:
		if (!hap_version_parse(reply, &tx->version))
			goto refused;
		tx->step = MAP_STEP_ADD;
		return MAP_TRANSACTION_MORE;
	case MAP_STEP_ADD:
		if (reply.len > 0)
			goto refused;
		return MAP_TRANSACTION_MORE;
	case MAP_STEP_COUNT:
		if (!find_count(tx, reply, &tx->counts, &count))
			goto no_map;
		if (tx->counts && count != tx->before + tx->added)
			goto miscounted;
		tx->step = MAP_STEP_COMMIT;
		return MAP_TRANSACTION_MORE;
	case MAP_STEP_COMMIT:
		if (reply.len > 0)
			goto refused;
		return committed(tx);
	case MAP_STEP_SAMPLE:
		return check_sample(tx, reply, why);
	case MAP_STEP_DONE:
		break;
	}
	assert(!"a reply to no command");
no_map:
	*why = "it does not know the map any more";
	return MAP_TRANSACTION_FAILED;
refused:
	*why = "it refused a command of a transaction";
	return MAP_TRANSACTION_FAILED;
miscounted:
	*why = "entries were dropped on the way into a map";
	return MAP_TRANSACTION_FAILED;
}
