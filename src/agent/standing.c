/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "agent/standing.h"
#include "net/loop.h"

void
standing_init(struct standing *standing)
{
	memset(standing, 0, sizeof(*standing));
	standing->since_ms = loop_wall_ms();
}

static void
copy(struct taupe_text from, char *to, size_t cap)
{
	size_t len = from.len < cap ? from.len : cap - 1;

	if (len > 0)
		memcpy(to, from.ptr, len);
	to[len] = '\0';
}

void
standing_dial(struct standing *standing, const struct taupe_relay *relay)
{
	standing->retry_ms = 0;
	if (!standing->up)
		(void)relay_text(relay, standing->relay);
}

static void
take_welcome(struct standing *standing, const struct taupe_event *event)
{
	standing->up = true;
	standing->since_ms = loop_wall_ms();
	standing->epoch = event->epoch;
	standing->retry_ms = 0;
	(void)relay_text(&event->relay, standing->relay);
	copy(event->label, standing->label, sizeof(standing->label));
	standing->n_urls = event->n_urls;
	for (size_t i = 0; i < event->n_urls; i++) {
		copy(event->urls[i].service, standing->urls[i].service,
		    sizeof(standing->urls[i].service));
		copy(event->urls[i].url, standing->urls[i].url,
		    sizeof(standing->urls[i].url));
	}
}

static void
note_loss(struct standing *standing, const char *what, struct taupe_text text)
{
	char detail[STANDING_TEXT_MAX / 2];

	copy(text, detail, sizeof(detail));
	for (char *c = detail; *c != '\0'; c++)
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
	snprintf(standing->lost, sizeof(standing->lost), "%s%s%s",
	    what != NULL ? what : "", what != NULL && detail[0] != '\0' ? ": " : "",
	    detail);
	standing->lost_ms = loop_wall_ms();
}

static void
set_down(struct standing *standing, uint64_t retry_ms, uint64_t now_ms)
{
	if (standing->up)
		standing->since_ms = loop_wall_ms();
	standing->up = false;
	standing->retry_ms = now_ms + retry_ms;
}

void
standing_failure(struct standing *standing, const char *reason, bool up,
    uint64_t retry_ms, uint64_t now_ms)
{
	if (up)
		return;
	note_loss(standing, reason, (struct taupe_text){NULL, 0});
	set_down(standing, retry_ms, now_ms);
}

void
standing_event(struct standing *standing, const struct taupe_relay *relay,
    const struct taupe_event *event, uint64_t now_ms)
{
	char what[64];

	(void)relay;
	switch (event->type) {
	case TAUPE_EVENT_WELCOME:
		take_welcome(standing, event);
		return;
	case TAUPE_EVENT_REFUSED:
		snprintf(what, sizeof(what), "the relay refused us (%u)",
		    event->status);
		break;
	case TAUPE_EVENT_CLOSED:
		snprintf(what, sizeof(what), "the relay closed the session "
		    "(%u)", event->code);
		break;
	case TAUPE_EVENT_FAILED:
	case TAUPE_EVENT_REDIRECT_REFUSED:
		snprintf(what, sizeof(what), "%s",
		    event->type == TAUPE_EVENT_FAILED ? "failed"
						      : "redirect refused");
		break;
	default:
		return;
	}
	if (event->standing)
		return;
	if (event->reason != NULL)
		note_loss(standing, event->reason, event->text);
	else
		note_loss(standing, what, event->text);
	set_down(standing, event->retry_ms, now_ms);
}

const char *
standing_url(const struct standing *standing, const char *service)
{
	for (size_t i = 0; i < standing->n_urls; i++)
		if (strcmp(standing->urls[i].service, service) == 0)
			return standing->urls[i].url;
	return NULL;
}
