/* SPDX-License-Identifier: MIT */
/*
 * With HAProxy 2.6 and 200,000 entries: a payload of 16 KB holds HAProxy's thread for
 * 1 ms, so a patient writer sends small ones with pauses; "commit map" frees the old
 * entries in steps, but its reply comes 0.1 s later, so it goes out on an errand.
 */
#include <assert.h>

#include "router/map_writer.h"

#define PATIENT_BYTES 1024 /* of a command: 0.1 ms of HAProxy's thread */
#define PATIENT_ROW 4	   /* commands without a pause */
#define PAUSE_MS 8

static const char unanswered[] = "it did not answer to commit map";

static void
begin_map(struct map_writer *writer, enum map_level level)
{
	struct map_view *view = writer->view;

	map_view_begin(view, level);
	map_transaction_begin(
	    &writer->tx, view->map[level], map_view_next, view);
}

/* A map is written: the next one follows. */
static enum map_transaction_result
end_map(struct map_writer *writer)
{
	if (map_view_end(writer->view, writer->tx.added)) {
		begin_map(writer, (enum map_level)(writer->view->level + 1));
		return MAP_TRANSACTION_MORE;
	}
	writer->view = NULL;
	return MAP_TRANSACTION_DONE;
}

enum map_transaction_result
map_writer_reply(struct map_writer *writer, struct str reply, const char **why)
{
	enum map_transaction_result result =
	    map_transaction_reply(&writer->tx, reply, why);

	return result == MAP_TRANSACTION_DONE ? end_map(writer) : result;
}

static void
committed_cb(void *ctx, bool answered, struct str reply)
{
	struct map_writer *writer = ctx;
	const char *why = unanswered;

	if (!answered ||
	    map_writer_reply(writer, reply, &why) == MAP_TRANSACTION_FAILED)
		writer->ops->failed_cb(writer->ctx, why, reply);
	else
		writer->ops->wake_cb(writer->ctx);
}

static void
pause_cb(void *ctx)
{
	struct map_writer *writer = ctx;

	writer->ops->wake_cb(writer->ctx);
}

void
map_writer_init(struct map_writer *writer, struct loop *loop, const char *path,
    uint64_t timeout_ms, const struct map_writer_ops *ops, void *ctx)
{
	writer->loop = loop;
	writer->path = path;
	writer->timeout_ms = timeout_ms;
	writer->ops = ops;
	writer->ctx = ctx;
	writer->view = NULL;
	hap_errand_init(&writer->errand, loop, committed_cb, writer);
	timer_init(&writer->pause, pause_cb, writer);
}

void
map_writer_begin(struct map_writer *writer, struct map_view *view,
    enum map_level level, bool patient)
{
	assert(writer->view == NULL);
	writer->view = view;
	writer->patient = patient;
	writer->in_a_row = 0;
	begin_map(writer, level);
}

void
map_writer_cancel(struct map_writer *writer)
{
	writer->view = NULL;
	hap_errand_cancel(&writer->errand);
	timer_clear(writer->loop, &writer->pause);
}

struct map_view *
map_writer_view(const struct map_writer *writer)
{
	return writer->view;
}

/* Otherwise somebody waits, be it a change that has no map to go to. */
static bool
has_time(const struct map_writer *writer)
{
	return writer->patient && map_view_takes_changes(writer->view) &&
	    !map_view_presses(writer->view);
}

bool
map_writer_is_ready(const struct map_writer *writer)
{
	return writer->view != NULL &&
	    !hap_errand_is_running(&writer->errand) &&
	    !(timer_is_set(&writer->pause) && has_time(writer));
}

static size_t
patient_command(struct map_writer *writer, char *out, size_t cap)
{
	if (writer->in_a_row == PATIENT_ROW) {
		writer->in_a_row = 0;
		timer_set(writer->loop, &writer->pause, PAUSE_MS);
		return 0;
	}
	writer->in_a_row++;
	return map_transaction_command(
	    &writer->tx, out, cap < PATIENT_BYTES ? cap : PATIENT_BYTES);
}

size_t
map_writer_command(struct map_writer *writer, char *out, size_t cap)
{
	size_t len;

	assert(map_writer_is_ready(writer));
	if (has_time(writer) && writer->tx.step == MAP_STEP_ADD)
		return patient_command(writer, out, cap);
	len = map_transaction_command(&writer->tx, out, cap);
	if (writer->tx.step != MAP_STEP_COMMIT)
		return len;
	hap_errand_run(
	    &writer->errand, writer->path, out, len, writer->timeout_ms);
	return 0;
}

bool
map_writer_is_adding(const struct map_writer *writer)
{
	return writer->view != NULL && writer->tx.step == MAP_STEP_ADD;
}

bool
map_writer_is_counting(const struct map_writer *writer)
{
	return writer->view != NULL && writer->tx.step == MAP_STEP_COUNT;
}
