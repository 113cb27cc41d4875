/* SPDX-License-Identifier: MIT */
/* events: what has happened, and what happens. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "ctl/event_feed.h"
#include "ctl/webhook.h"

static int
print_json(const json_t *event)
{
	char *text = json_dumps(event, JSON_COMPACT | JSON_ENSURE_ASCII);

	if (text == NULL)
		return -1;
	puts(text);
	free(text);
	return 0;
}

/* -1: it goes nowhere any more. */
static int
print_all(const struct ctl *ctl, const json_t *events)
{
	json_t *event;
	size_t i;

	json_array_foreach (events, i, event)
		if ((ctl->options.json ? print_json(event)
				       : event_line_print(stdout, event)) != 0)
			return -1;
	return fflush(stdout);
}

static int
print_events(struct event_feed *feed)
{
	bool over = false;
	int code = EX_OK;

	while (code == EX_OK && !over) {
		json_t *events = json_array();

		if (events == NULL)
			return ctl_fail_memory();
		/* a connection that has gone is made again, and no reason to die; a pager that has
		 * seen enough is */
		(void)signal(SIGPIPE, SIG_IGN);
		code = event_feed_next(feed, events, &over);
		(void)signal(SIGPIPE, SIG_DFL);
		if (code == EX_OK && print_all(feed->ctl, events) != 0)
			code = ctl_fail(
			    EX_IOERR, "the events could not be written");
		json_decref(events);
	}
	return code;
}

int
command_events(struct ctl *ctl, const char *name)
{
	struct event_feed feed;
	int code = event_feed_init(&feed, ctl);

	(void)name;
	if (code != EX_OK)
		return code;
	if (ctl->options.webhook != NULL) {
		(void)signal(SIGPIPE, SIG_IGN);
		return webhook_run(&feed);
	}
	return print_events(&feed);
}
