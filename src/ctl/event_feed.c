/* SPDX-License-Identifier: MIT */
#include "ctl/event_feed.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "ctl/report.h"
#include "net/crypto.h"
#include "net/loop.h"

#define WAIT_MS 2000 /* for something to happen */
#define REST_FIRST_MS 100
#define REST_MOST_MS 2000

static int
take_kinds(struct event_feed *feed, const struct option_list *list)
{
	enum event_kind kind;
	struct str rest, name;

	for (size_t i = 0; i < list->count; i++)
		for (rest = str_of(list->items[i]); rest.len > 0;) {
			(void)str_split(rest, ',', &name, &rest);
			if (!event_kind_parse(name, &kind))
				return ctl_fail(EX_USAGE,
				    "kind=%.*s: there is no such kind of event",
				    STR_ARG(name));
			feed->kinds |= UINT32_C(1) << kind;
		}
	return EX_OK;
}

int
event_feed_init(struct event_feed *feed, struct ctl *ctl)
{
	const struct ctl_options *options = &ctl->options;
	uint64_t since_ms = (uint64_t)options->since_ms;

	*feed = (struct event_feed){.ctl = ctl,
	    .follow = options->follow,
	    .device = options->device};
	/* an event reaches the registry when it has happened, or later */
	if (since_ms > 0) {
		feed->since_ms = loop_wall_ms() - since_ms;
		snprintf(feed->place, sizeof(feed->place), "%" PRIu64,
		    feed->since_ms);
	} else if (!feed->follow) {
		memcpy(feed->place, "0", 2);
	}
	return take_kinds(feed, &options->kind);
}

static bool
is_wanted(const struct event_feed *feed, const json_t *event)
{
	enum event_kind kind;

	if (feed->device != NULL &&
	    strcmp(report_str(event, "device") != NULL
		    ? report_str(event, "device")
		    : "",
		feed->device) != 0)
		return false;
	if (report_u64(event, "at_ms") < feed->since_ms)
		return false;
	return feed->kinds == 0 ||
	    (report_str(event, "kind") != NULL &&
		event_kind_parse(str_of(report_str(event, "kind")), &kind) &&
		(feed->kinds & UINT32_C(1) << kind) != 0);
}

static void
say_missed(const struct event_feed *feed, const char *before)
{
	fprintf(stderr,
	    "taupectl: the event at %s is not kept any more, and others behind "
	    "it may be gone as well: going on with the oldest that is there\n",
	    before);
	(void)feed;
}

static void
say_back(struct event_feed *feed)
{
	if (feed->away)
		fputs("taupectl: events again, from where they were left\n",
		    stderr);
	feed->away = false;
	feed->answered = true;
	feed->failures = 0;
}

void
event_feed_rest(unsigned attempt, uint64_t first_ms, uint64_t most_ms)
{
	uint64_t ms = first_ms;
	struct timespec rest;

	while (--attempt > 0 && ms < most_ms)
		ms *= 2;
	if (ms > most_ms)
		ms = most_ms;
	ms = ms / 2 + crypto_below((uint32_t)(ms / 2) + 1);
	rest = (struct timespec){
	    (time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
	(void)nanosleep(&rest, NULL);
}

/* Redis or the relay does not answer: wait, and come again? EX_OK: yes. */
static int
bear(struct event_feed *feed, int code)
{
	bool passes = code == ADMIN_DOWN || code == ADMIN_NONSENSE;

	if (!feed->follow || !passes || (!feed->answered && !feed->patient))
		return ctl_result(feed->ctl, code);
	if (!feed->away)
		fprintf(stderr, "taupectl: %s; trying it again\n",
		    feed->ctl->admin.error.text);
	feed->away = true;
	admin_fini(&feed->ctl->admin);
	event_feed_rest(++feed->failures, REST_FIRST_MS, REST_MOST_MS);
	return EX_OK;
}

int
event_feed_next(struct event_feed *feed, json_t *events, bool *over)
{
	struct admin *admin = &feed->ctl->admin;
	struct event_page page = {.events = json_array()};
	json_t *event;
	size_t i;
	int code;

	*over = false;
	if (page.events == NULL)
		return ctl_fail_memory();
	code = admin->store->events(admin,
	    feed->place[0] != '\0' ? feed->place : NULL,
	    feed->follow ? WAIT_MS : 0, &page);
	if (code != ADMIN_OK) {
		json_decref(page.events);
		return bear(feed, code);
	}
	say_back(feed);
	if (page.missed)
		say_missed(feed, feed->place);
	*over = !feed->follow && json_array_size(page.events) == 0;
	memcpy(feed->place, page.end, sizeof(feed->place));
	json_array_foreach (page.events, i, event)
		if (is_wanted(feed, event))
			json_array_append(events, event);
	json_decref(page.events);
	return EX_OK;
}

/* As a line. */

/* What a relay writes is printable; what stands in Redis may be anything. */
static bool
is_printable(char c)
{
	return c >= 0x20 && c <= 0x7e;
}

static bool
needs_quotes(const char *text)
{
	if (text[0] == '\0' || strpbrk(text, " \"=\\") != NULL)
		return true;
	while (*text != '\0')
		if (!is_printable(*text++))
			return true;
	return false;
}

static void
print_value(FILE *out, const char *text)
{
	if (!needs_quotes(text)) {
		fputs(text, out);
		return;
	}
	putc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			putc('\\', out);
		putc(is_printable(*text) ? *text : '?', out);
	}
	putc('"', out);
}

static void
print_time(FILE *out, uint64_t at_ms)
{
	time_t seconds = (time_t)(at_ms / 1000);
	char text[32] = "";
	struct tm tm;

	if (gmtime_r(&seconds, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		snprintf(text, sizeof(text), "-");
	fprintf(out, "%s.%03uZ", text, (unsigned)(at_ms % 1000));
}

static bool
is_shown_elsewhere(const char *key)
{
	return strcmp(key, "kind") == 0 || strcmp(key, "at_ms") == 0 ||
	    strcmp(key, "id") == 0 || strcmp(key, "place") == 0;
}

int
event_line_print(FILE *out, const json_t *event)
{
	const char *kind = report_str(event, "kind"), *key;
	json_t *value;

	print_time(out, report_u64(event, "at_ms"));
	putc(' ', out);
	print_value(out, kind != NULL ? kind : "-");
	json_object_foreach ((json_t *)(uintptr_t)event, key, value) {
		if (is_shown_elsewhere(key))
			continue;
		putc(' ', out);
		print_value(out, key);
		putc('=', out);
		if (json_is_integer(value))
			fprintf(out, "%" JSON_INTEGER_FORMAT,
			    json_integer_value(value));
		else if (json_is_string(value))
			print_value(out, json_string_value(value));
	}
	putc('\n', out);
	return ferror(out) ? -1 : 0;
}
