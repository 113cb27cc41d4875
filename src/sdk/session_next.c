/* SPDX-License-Identifier: MIT */
/*
 * taupe_session_next(): what is to be done now, and when to ask again. Everything that
 * depends on the clock comes through here.
 */
#include "sdk/session.h"

#include "sdk/backoff.h"

#define MISSED_HEARTBEATS 3u
/* A NAT that has lost its mapping tells nobody, and no visitor comes through until we have noticed. */
#define PONG_TIMEOUT_MS 10000u

/* ---- attempts ---- */

/* Where to try to move to: the place that was named, and after it the others. */
static bool
choose_move(struct session *s, struct link *link)
{
	unsigned n = s->move_failures, count = 0;
	struct url url;

	if (s->renewing) {
		url = link_place(&s->links[s->current]);
		return link_set_place(link, &url);
	}
	if (s->move_hosted && n-- == 0)
		return true;
	while (session_elsewhere(s, count, &url))
		count++;
	if (count == 0)
		return s->move_hosted;
	return session_elsewhere(s, n % count, &url) &&
	    link_set_place(link, &url);
}

/* ---- actions ---- */

static void
link_closed(struct link *link)
{
	link->state = link->dial_again ? LINK_WANTED : LINK_FREE;
	link->dial_again = false;
}

static void
close_action(struct session *s, struct link *link, struct taupe_action *action)
{
	action->type = TAUPE_CLOSE;
	action->link = link_index(s, link);
	action->reason = link->end_reason;
	action->until_ms = s->retry_ms;
	if (link->close_code != 0)
		action->output.len =
		    channel_close(&link->channel, link->close_code,
			link->end_reason != NULL ? link->end_reason : "",
			action->output.bytes);
	link_closed(link);
}

static void
dial_action(struct session *s, struct link *link, uint64_t now_ms,
    struct taupe_action *action)
{
	link->state = LINK_DIALLING;
	link->deadline_ms = now_ms + session_stage_ms(s);
	action->type = TAUPE_DIAL;
	action->link = link_index(s, link);
	action->relay = link_relay(link);
}

/* When something happens on a link if nothing comes in. */
static uint64_t
silence_deadline_ms(const struct link *link)
{
	uint64_t silent_ms =
	    link->heard_ms + (uint64_t)MISSED_HEARTBEATS * link->heartbeat_ms;
	uint64_t unanswered_ms = link->pinged_ms + PONG_TIMEOUT_MS;

	return link->pinged_ms != 0 && unanswered_ms < silent_ms ? unanswered_ms
								 : silent_ms;
}

static uint64_t
link_due_ms(const struct link *link)
{
	uint64_t ping_ms = link->sent_ms + link->heartbeat_ms;

	switch (link->state) {
	case LINK_DIALLING:
	case LINK_HEAD:
	case LINK_BODY:
	case LINK_WELCOME:
		return link->deadline_ms;
	case LINK_UP:
		return ping_ms < silence_deadline_ms(link)
		    ? ping_ms
		    : silence_deadline_ms(link);
	default:
		return TAUPE_FOREVER;
	}
}

static const char *
overdue_reason(const struct link *link)
{
	switch (link->state) {
	case LINK_DIALLING:
		return "no connection in time";
	case LINK_WELCOME:
		return "no welcome in time";
	case LINK_UP:
		return "nothing heard for too long";
	default:
		return "no answer to the handshake in time";
	}
}

/* Tell the relay about our heartbeats. False: it knows. */
static bool
tell_action(struct session *s, struct link *link, uint64_t now_ms,
    struct taupe_action *action)
{
	if (link->state != LINK_UP)
		return false;
	action->output.len =
	    session_heartbeat_tell(s, link, now_ms, action->output.bytes);
	action->type = action->output.len > 0 ? TAUPE_SEND : TAUPE_WAIT;
	action->link = link_index(s, link);
	return action->output.len > 0;
}

/* A link's time has come: give it up, or ping. */
static void
overdue_action(struct session *s, struct link *link, uint64_t now_ms,
    struct taupe_action *action)
{
	struct taupe_event ignored;

	if (link->state == LINK_UP && now_ms < silence_deadline_ms(link)) {
		action->type = TAUPE_SEND;
		action->link = link_index(s, link);
		action->heartbeat = true;
		action->output.len = session_heartbeat_send(
		    s, link, now_ms, action->output.bytes);
		return;
	}
	session_link_ended(s, link,
	    link->state == LINK_DIALLING ? END_UNREACHED : END_FAILED, 0,
	    now_ms, &ignored);
	link_finish(link, 0, overdue_reason(link));
	close_action(s, link, action);
	action->dead = true;
}

static bool
choose_candidate(const struct session *s, struct url *url)
{
	/* the list may have become shorter meanwhile */
	return place_candidate(
		   s->config, &s->memory, s->order, s->candidate, url) ||
	    place_candidate(s->config, &s->memory, s->order, 0, url);
}

/* Take a link into use when it is time for an attempt or for a move; NULL: it is not. */
static struct link *
begin_attempt(struct session *s, uint64_t now_ms)
{
	struct link *link = &s->links[0];
	struct url url;

	if (s->leaving)
		return NULL;
	if (s->moving && s->current != NO_LINK) {
		link = session_other_link(s, &s->links[s->current]);
		if (link->state != LINK_FREE || now_ms < s->move_ms ||
		    !choose_move(s, link))
			return NULL;
	} else if (session_is_busy(s) || now_ms < s->retry_ms) {
		return NULL;
	} else if (!choose_candidate(s, &url) || !link_set_place(link, &url)) {
		/* nothing restored and nothing configured: a renewed configuration may help */
		s->retry_ms = now_ms + backoff_max_ms(s->config);
		return NULL;
	}
	link->redirects = link->hops = s->back_hops;
	link->followed = false;
	session_choose_credential(s, link);
	s->back_hops = 0;
	return link;
}

static uint64_t
next_due_ms(const struct session *s)
{
	uint64_t due = TAUPE_FOREVER;

	for (unsigned i = 0; i < TAUPE_LINKS; i++)
		if (link_due_ms(&s->links[i]) < due)
			due = link_due_ms(&s->links[i]);
	if (s->leaving)
		return due;
	if (!session_is_busy(s))
		return s->retry_ms;
	if (s->moving && s->current != NO_LINK &&
	    s->links[1 - s->current].state == LINK_FREE && s->move_ms < due)
		due = s->move_ms;
	return due;
}

void
taupe_session_next(
    struct taupe_session *session, uint64_t now_ms, struct taupe_action *action)
{
	struct session *s = (struct session *)(void *)session;
	struct link *link;

	memset(action, 0, sizeof(*action));
	for (link = s->links; link < s->links + TAUPE_LINKS; link++) {
		if (link->state == LINK_ENDING) {
			close_action(s, link, action);
			return;
		}
		if (link->state == LINK_WANTED) {
			dial_action(s, link, now_ms, action);
			return;
		}
		if (now_ms >= link_due_ms(link)) {
			overdue_action(s, link, now_ms, action);
			return;
		}
		if (tell_action(s, link, now_ms, action))
			return;
	}
	if ((link = begin_attempt(s, now_ms)) != NULL) {
		dial_action(s, link, now_ms, action);
		return;
	}
	action->type = TAUPE_WAIT;
	action->until_ms = next_due_ms(s);
}
