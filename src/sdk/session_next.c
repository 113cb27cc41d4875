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
#define NEVER_MS UINT32_MAX

/* ---- attempts ---- */

/* Where to try to move to: the place that was named, and after it the others. */
static bool
choose_move(struct session *s, struct link *link)
{
	unsigned n = s->move_failures, count = 0;
	struct url url;

	if (s->renewing) {
		const struct link *here = session_link(s, s->current);

		memcpy(link->host, here->host, sizeof(link->host));
		link->port = here->port;
		link->secure = here->secure;
		return true;
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

static uint32_t
earlier(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

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
	action->until_ms = session_wait_ms(s, s->retry_ms);
	if (HAS_HEARTBEAT_SEARCH)
		action->until_ms += s->retry_rest_ms;
	if (link->close_code != 0)
		action->output.len =
		    channel_close(&link->channel, link->close_code,
			link->end_reason != NULL ? link->end_reason : "",
			action->output.bytes);
	link_closed(link);
}

static void
dial_action(struct session *s, struct link *link, struct taupe_action *action)
{
	link->state = LINK_DIALLING;
	link->channel.zero_mask = link->secure || s->config->trusted_path;
	link->deadline_ms = s->now_ms + session_stage_ms(s);
	action->type = TAUPE_DIAL;
	action->link = link_index(s, link);
	link_tell_relay(link, &action->relay);
}

/* How long a link may be silent yet. */
static uint32_t
silence_left_ms(const struct session *s, const struct link *link)
{
	uint32_t left = session_wait_ms(
	    s, link->heard_ms + MISSED_HEARTBEATS * link->heartbeat_ms);

	return link->pinged
	    ? earlier(
		  left, session_wait_ms(s, link->pinged_ms + PONG_TIMEOUT_MS))
	    : left;
}

/* How long until something happens on a link if nothing comes in. */
static uint32_t
link_wait_ms(const struct session *s, const struct link *link)
{
	if (link_is_up(link))
		return earlier(silence_left_ms(s, link),
		    session_wait_ms(s, link->sent_ms + link->heartbeat_ms));
	return link_is_under_way(link) ? session_wait_ms(s, link->deadline_ms)
				       : NEVER_MS;
}

static const char *
overdue_reason(const struct link *link)
{
	switch (link->state) {
	case LINK_DIALLING:
		return SAYS("no connection in time");
	case LINK_WELCOME:
		return SAYS("no welcome in time");
	case LINK_UP:
	case LINK_LEAVING:
		return SAYS("nothing heard for too long");
	default:
		return SAYS("no answer to the handshake in time");
	}
}

/* Tell the relay about our heartbeats. False: it knows. */
static bool
tell_action(struct session *s, struct link *link, struct taupe_action *action)
{
	action->output.len =
	    session_heartbeat_tell(s, link, action->output.bytes);
	if (action->output.len == 0)
		return false;
	action->type = TAUPE_SEND;
	action->link = link_index(s, link);
	return true;
}

/* A link's time has come: give it up, or ping. */
static void
overdue_action(
    struct session *s, struct link *link, struct taupe_action *action)
{
	struct taupe_event ignored;

	if (link_is_up(link) && silence_left_ms(s, link) > 0) {
		action->type = TAUPE_SEND;
		action->link = link_index(s, link);
		action->heartbeat = true;
		if (!link->pinged) {
			link->pinged_ms = s->now_ms;
			if (HAS_HEARTBEAT_SEARCH)
				session_heartbeat_choose(s, link);
		}
		link->pinged = true;
		action->output.len = channel_frame(&link->channel,
		    HAS_HEARTBEAT_SEARCH && link->quiet ? WS_OP_PONG
							: WS_OP_PING,
		    NULL, 0, action->output.bytes);
		link->sent_ms = s->now_ms;
		return;
	}
	session_link_ended(s, link,
	    link->state == LINK_DIALLING ? END_UNREACHED : END_FAILED, 0,
	    &ignored);
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
begin_attempt(struct session *s)
{
	struct link *link = s->links;
	struct url url;

	if (HAS_TWO_LINKS && link->state == LINK_LEAVING)
		link++;
	if (s->leaving)
		return NULL;
	if (HAS_TWO_LINKS && s->moving && s->current != NO_LINK) {
		link = session_other_link(s, session_link(s, s->current));
		if (link->state != LINK_FREE ||
		    session_wait_ms(s, s->move_ms) > 0 || !choose_move(s, link))
			return NULL;
	} else if (session_is_busy(s) || session_wait_ms(s, s->retry_ms) > 0) {
		return NULL;
	} else if (HAS_HEARTBEAT_SEARCH && s->retry_rest_ms > 0) {
		session_put_off(s, s->retry_rest_ms);
		return NULL;
	} else if (!choose_candidate(s, &url) || !link_set_place(link, &url)) {
		/* nothing restored and nothing configured: a renewed configuration may help */
		s->retry_ms = s->now_ms + backoff_max_ms(s->config);
		return NULL;
	}
	link->redirects = link->hops = s->back_hops;
	link->followed = false;
	session_choose_credential(s, link);
	s->back_hops = 0;
	return link;
}

static uint32_t
next_wait_ms(const struct session *s)
{
	uint32_t wait = NEVER_MS;

	for (const struct link *link = s->links; link < s->links + TAUPE_LINKS;
	     link++)
		wait = earlier(wait, link_wait_ms(s, link));
	if (s->leaving)
		return wait;
	if (!session_is_busy(s))
		/* a link that was left may have to be looked after before that */
		wait = earlier(HAS_TWO_LINKS ? wait : NEVER_MS,
		    session_wait_ms(s, s->retry_ms));
	else if (HAS_TWO_LINKS && s->moving && s->current != NO_LINK &&
	    s->links[1 - s->current].state == LINK_FREE)
		wait = earlier(wait, session_wait_ms(s, s->move_ms));
	return wait;
}

/* What is to be done now; until_ms counts from now. */
static void
choose_action(struct session *s, struct taupe_action *action)
{
	struct link *link;

	for (link = s->links; link < s->links + TAUPE_LINKS; link++) {
		if (link->state == LINK_ENDING) {
			close_action(s, link, action);
			return;
		}
		if (link->state == LINK_WANTED) {
			dial_action(s, link, action);
			return;
		}
		/* it stays in sight, be the link ever so busy */
		if (link_is_up(link) && session_wait_ms(s, link->good_ms) == 0)
			link->good_ms = s->now_ms;
		if (link_wait_ms(s, link) == 0) {
			overdue_action(s, link, action);
			return;
		}
		if (HAS_HEARTBEAT_SEARCH && tell_action(s, link, action))
			return;
	}
	if ((link = begin_attempt(s)) != NULL) {
		dial_action(s, link, action);
		return;
	}
	action->type = TAUPE_WAIT;
	action->until_ms = next_wait_ms(s);
}

void
taupe_session_next(
    struct taupe_session *session, uint64_t now_ms, struct taupe_action *action)
{
	memset(action, 0, offsetof(struct taupe_action, output.bytes));
	choose_action(session_at(session, now_ms), action);
	if (action->until_ms == NEVER_MS)
		action->until_ms = TAUPE_FOREVER;
	else
		action->until_ms += now_ms;
}
