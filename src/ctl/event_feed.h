/* SPDX-License-Identifier: MIT */
/*
 * What has happened, page by page, from where it was left: whatever becomes of Redis or of the
 * relay meanwhile, who follows goes on, and says so on standard error.
 */
#ifndef TAUPE_CTL_EVENT_FEED_H
#define TAUPE_CTL_EVENT_FEED_H

#include "base/event_kind.h"
#include "ctl/ctl.h"

struct event_feed {
	struct ctl *ctl;
	bool follow;
	bool patient; /* also waits for who has never answered */
	char place[EVENT_PLACE_MAX]; /* behind which it goes on; "": the end, not looked for yet */
	/* which ones */
	uint32_t kinds; /* bits, 1 << enum event_kind; 0: all, unknown ones, too */
	const char *device; /* NULL: any */
	uint64_t since_ms;  /* wall clock; 0: any */
	/* how it goes */
	bool answered, away;
	unsigned failures; /* in a row */
};

/* From the options. Returns an exit code. */
int event_feed_init(struct event_feed *feed, struct ctl *ctl);
/* The next page, of a few seconds if nothing happens: add those that are wanted to an array, and move
 * the place behind the page. *over: there are no more now, and nobody follows. Returns an exit code,
 * when it is of no use to go on. */
int event_feed_next(struct event_feed *feed, json_t *events, bool *over);
/* Rest before the attempt of this number (from 1 on), a time that doubles up to most_ms, with jitter. */
void event_feed_rest(unsigned attempt, uint64_t first_ms, uint64_t most_ms);

/* "2026-01-31T12:00:00.123Z connect device=alice …", logfmt but for its beginning; -1: no memory or
 * the file cannot be written. */
int event_line_print(FILE *out, const json_t *event);

#endif
