/* SPDX-License-Identifier: MIT */
/* The record of what has happened, what becomes of events that nobody can keep, and the latest
 * of them in memory. */
#include <check.h>
#include <stdlib.h>

#include "registry/registry_memory_history.h"
#include "relay/events.h"
#include "relay/relay.h"

START_TEST(a_record_has_its_fields_in_order_printable_and_bounded)
{
	char longer[HAPPENING_VALUE_MAX + 2];
	struct happening_field field = {0};
	struct happening *event;

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	event =
	    happening_new((const struct log_field[]){LOG_S("a", "1\n\x1b\xff"),
		LOG_S("absent", NULL), LOG_U("b", UINT64_MAX), LOG_I("c", -5),
		LOG_S("d", ""), LOG_S("e", longer), {.key = NULL}});
	ck_assert_ptr_nonnull(event);
	ck_assert(happening_next_field(event, &field));
	ck_assert_str_eq(field.key, "a");
	ck_assert_str_eq(field.value, "1???");
	ck_assert(happening_next_field(event, &field));
	ck_assert_str_eq(field.value, "18446744073709551615");
	ck_assert_str_eq(happening_value(event, "c"), "-5");
	ck_assert_str_eq(happening_value(event, "d"), "");
	ck_assert_str_eq(happening_value(event, "absent"), "");
	ck_assert_uint_eq(
	    strlen(happening_value(event, "e")), HAPPENING_VALUE_MAX);
	for (int i = 0; i < 3; i++)
		ck_assert(happening_next_field(event, &field));
	ck_assert(!happening_next_field(event, &field));
	happening_free(&event);
	ck_assert_ptr_null(event);
}
END_TEST

/* A registry that keeps so many more. */
static size_t room, n_kept;
static struct happening *kept[16];

static bool
happened(struct registry *registry, struct happening *event)
{
	(void)registry;
	if (room == 0) {
		happening_free(&event);
		return false;
	}
	room--;
	kept[n_kept++] = event;
	return true;
}

START_TEST(what_cannot_be_kept_is_counted_and_told_of)
{
	static const struct registry_ops ops = {.happened = happened};
	struct registry registry = {.ops = &ops};
	struct relay *relay = calloc(1, sizeof(*relay));

	ck_assert_ptr_nonnull(relay);
	relay->registry = &registry;
	memcpy(relay->self.id, "r1", 3);
	relay->self.since_ms = 7;
	room = 1;
	event_emit(relay, EVENT_CONNECT, "alice", LOG_U("epoch", 5));
	for (int i = 0; i < 3; i++)
		event_emit(relay, EVENT_LIMIT, NULL, LOG_S("limit", "x"));
	ck_assert_uint_eq(relay->counters.events_lost, 3);
	room = 10;
	event_emit(relay, EVENT_DISCONNECT, "alice");
	event_emit(relay, EVENT_CONNECT, "alice");
	ck_assert_uint_eq(n_kept, 4);
	ck_assert_str_eq(happening_value(kept[0], "kind"), "connect");
	ck_assert_str_eq(happening_value(kept[0], "device"), "alice");
	ck_assert_str_eq(happening_value(kept[0], "relay"), "r1");
	ck_assert_str_eq(happening_value(kept[0], "id"), "r1-7-1");
	ck_assert_str_eq(happening_value(kept[1], "kind"), "lost");
	ck_assert_str_eq(happening_value(kept[1], "times"), "3");
	ck_assert_str_eq(happening_value(kept[2], "kind"), "disconnect");
	ck_assert_str_ne(
	    happening_value(kept[2], "id"), happening_value(kept[3], "id"));
	/* once the registry is gone, at the end of the process */
	relay->registry = NULL;
	event_emit(relay, EVENT_CONNECT, "alice");
	while (n_kept > 0)
		happening_free(&kept[--n_kept]);
	free(relay);
}
END_TEST

static size_t n_told;
static char first_told[32];

static void
told_cb(void *ctx, const char *place, const struct happening *event)
{
	(void)ctx;
	ck_assert_ptr_nonnull(strchr(place, '-'));
	if (n_told++ == 0)
		(void)str_copy(str_of(happening_value(event, "n")), first_told,
		    sizeof(first_told));
}

static bool
recall(const struct memory_history *history, const char *after,
    char end[HISTORY_PLACE_MAX])
{
	n_told = 0;
	return memory_history_recall(history, after, end, told_cb, NULL);
}

/* All that there is, page by page; the first page tells whether something is missed. */
static bool
recall_all(const struct memory_history *history, const char *after,
    char end[HISTORY_PLACE_MAX])
{
	unsigned all = 0;
	bool missed = recall(history, after, end);

	while (n_told > 0) {
		char place[HISTORY_PLACE_MAX], first[sizeof(first_told)];

		ck_assert_uint_le(n_told, 100);
		all += n_told;
		memcpy(place, end, sizeof(place));
		memcpy(first, first_told, sizeof(first));
		ck_assert(!recall(history, place, end));
		memcpy(first_told, first, sizeof(first));
	}
	n_told = all;
	return missed;
}

START_TEST(memory_has_the_latest_thousand_and_knows_what_it_has_not)
{
	char before[HISTORY_PLACE_MAX], end[HISTORY_PLACE_MAX],
	    unused[HISTORY_PLACE_MAX];
	struct memory_history history;

	memory_history_init(&history);
	ck_assert(!recall(&history, "0", before));
	ck_assert_uint_eq(n_told, 0);
	for (unsigned i = 1; i <= 1000; i++)
		memory_history_add(&history,
		    happening_new((const struct log_field[]){
			LOG_U("n", i), {.key = NULL}}));
	ck_assert(!recall(&history, before, unused));
	ck_assert_uint_eq(n_told, 100);
	ck_assert(!recall_all(&history, before, end));
	ck_assert_uint_eq(n_told, 1000);
	ck_assert(!recall(&history, end, unused));
	ck_assert_uint_eq(n_told, 0);
	ck_assert(!recall(&history, NULL, unused));
	ck_assert_uint_eq(n_told, 0);
	ck_assert_str_eq(unused, end);
	memory_history_add(&history,
	    happening_new(
		(const struct log_field[]){LOG_U("n", 1001), {.key = NULL}}));
	ck_assert(!recall(&history, end, unused));
	ck_assert_str_eq(first_told, "1001");
	/* the first one is gone */
	ck_assert(recall_all(&history, before, unused));
	ck_assert_uint_eq(n_told, 1000);
	ck_assert_str_eq(first_told, "2");
	/* of another process, and of no process yet */
	ck_assert(recall_all(&history, "5-5", unused));
	ck_assert_uint_eq(n_told, 1000);
	ck_assert(recall(&history, "99999999999999-1", unused));
	ck_assert(!recall(&history, "5", unused));
	memory_history_fini(&history);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("happening");
	TCase *tcase = tcase_create("happening");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(
	    tcase, a_record_has_its_fields_in_order_printable_and_bounded);
	tcase_add_test(tcase, what_cannot_be_kept_is_counted_and_told_of);
	tcase_add_test(
	    tcase, memory_has_the_latest_thousand_and_knows_what_it_has_not);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
