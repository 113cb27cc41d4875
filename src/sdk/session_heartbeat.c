/* SPDX-License-Identifier: MIT */
/*
 * Heartbeats of a session with a search: when one was answered or lost, and what the relay is told
 * about their interval. How long it shall be is the search's business.
 */
#include "sdk/session.h"

#ifndef TAUPE_WITHOUT_HEARTBEAT_SEARCH

/* It is about the link that is up; one that was left keeps the interval that it had. */
static const struct taupe_heartbeat_ops *
search_of(const struct session *s, const struct link *link)
{
	const struct taupe_heartbeat *h = session_search(s);

	return h != NULL && link_index(s, link) == s->current ? h->ops : NULL;
}

void
session_heartbeat_begin(
    struct session *s, struct link *link, const struct control_msg *welcome)
{
	struct taupe_heartbeat *h = session_search(s);
	struct heartbeat_terms terms = {
	    .network = link->network,
	    .base_ms = link->heartbeat_ms,
	    .least_ms = (uint32_t)welcome->heartbeat_min_ms,
	    .most_ms = (uint32_t)welcome->heartbeat_max_ms,
	};

	link->told_bytes = 0;
	link->tells = terms.most_ms != 0;
	link->quiet = link->proof = false;
	if (h != NULL)
		h->ops->begin(h, &terms, s->driver_ms);
}

void
session_heartbeat_choose(struct session *s, struct link *link)
{
	const struct taupe_heartbeat_ops *search = search_of(s, link);
	uint32_t heard = s->now_ms - link->heard_ms,
		 sent = s->now_ms - link->sent_ms;

	link->quiet = search != NULL && search->is_quiet(session_search(s));
	/* an answer on its way is no silence, but hardly anything less */
	link->proof = (heard < sent ? heard : sent) >=
	    link->heartbeat_ms - link->heartbeat_ms / 16u;
}

void
session_heartbeat_answered(struct session *s, struct link *link)
{
	const struct taupe_heartbeat_ops *search = search_of(s, link);

	if (search != NULL)
		search->answered(session_search(s), link->heartbeat_ms,
		    link->proof && !link->quiet);
}

void
session_heartbeat_lost(struct session *s, const struct link *link)
{
	const struct taupe_heartbeat_ops *search = search_of(s, link);

	if (search != NULL && link->state == LINK_UP && link->pinged)
		search->lost(
		    session_search(s), link->heartbeat_ms, s->driver_ms);
}

size_t
session_heartbeat_tell(
    struct session *s, struct link *link, uint8_t out[TAUPE_OUTPUT_MAX])
{
	const struct taupe_heartbeat_ops *search = search_of(s, link);
	const struct taupe_heartbeat *h = session_search(s);
	struct control_msg msg = {.op = CONTROL_HEARTBEAT};

	if (search == NULL || link->state != LINK_UP || !link->tells ||
	    link->pinged)
		return 0;
	msg.heartbeat_ms = search->interval(h);
	if (msg.heartbeat_ms == link->heartbeat_ms &&
	    h->beat_bytes == link->told_bytes)
		return 0;
	msg.beat_bytes = h->beat_bytes;
	/* where numbers have 32 bits, what is beyond them is the greatest */
	msg.budget_bytes = (wire_number)h->budget_bytes;
	if (msg.budget_bytes != h->budget_bytes)
		msg.budget_bytes = (wire_number)-1;
	/* the silence until now was in order, however short the interval is from now on */
	if (msg.heartbeat_ms != link->heartbeat_ms)
		link->heard_ms = s->now_ms;
	link->heartbeat_ms = (uint32_t)msg.heartbeat_ms;
	link->told_bytes = h->beat_bytes;
	link->sent_ms = s->now_ms;
	return channel_message(&link->channel, &msg, out, TAUPE_OUTPUT_MAX);
}

bool
session_heartbeat_changed(struct session *s)
{
	struct taupe_heartbeat *h = session_search(s);
	bool changed = h != NULL && h->changed;

	if (changed)
		h->changed = false;
	return changed;
}

#endif

void
taupe_session_acked(
    struct taupe_session *session, unsigned index, uint64_t now_ms)
{
	struct session *s = session_at(session, now_ms);
	struct link *link = session_link(s, index);

	if (!HAS_HEARTBEAT_SEARCH || !link_is_up(link) || !link->pinged ||
	    !link->quiet)
		return;
	link->heard_ms = s->now_ms;
	session_heartbeat_answered(s, link);
	link->pinged = false;
}

uint32_t
taupe_session_heartbeat_ms(const struct taupe_session *session)
{
	const struct session *s = (const struct session *)(const void *)session;

	return s->current != NO_LINK
	    ? s->links[HAS_TWO_LINKS ? s->current : 0].heartbeat_ms
	    : 0;
}
