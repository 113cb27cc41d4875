/* SPDX-License-Identifier: MIT */
/*
 * Heartbeats of a session: when one was answered or lost, and what the relay is told about
 * their interval. How long it shall be is the search's business, if there is one.
 */
#include "sdk/session.h"

#define HEARTBEAT_MIN_MS 100u /* a relay that wants more often gets this */

static const struct taupe_heartbeat_ops *
search_of(const struct session *s, const struct link *link)
{
	const struct taupe_heartbeat *h = s->config->heartbeat;

	return h != NULL && link_index(s, link) == s->current ? h->ops : NULL;
}

void
session_heartbeat_begin(struct session *s, struct link *link,
    const struct control_msg *welcome, uint64_t now_ms)
{
	struct heartbeat_terms terms = {
	    .base_ms = welcome->heartbeat_ms > HEARTBEAT_MIN_MS
		? (uint32_t)welcome->heartbeat_ms
		: HEARTBEAT_MIN_MS,
	    .least_ms = (uint32_t)welcome->heartbeat_min_ms,
	    .most_ms = (uint32_t)welcome->heartbeat_max_ms,
	};

	link->heartbeat_ms = terms.base_ms;
	link->told_bytes = 0;
	link->tells = terms.most_ms != 0;
	link->quiet = link->proof = false;
	if (s->config->heartbeat != NULL)
		s->config->heartbeat->ops->begin(
		    s->config->heartbeat, &terms, now_ms);
}

void
session_heartbeat_answered(struct session *s, struct link *link)
{
	const struct taupe_heartbeat_ops *search = search_of(s, link);

	if (link->pinged_ms == 0)
		return;
	link->pinged_ms = 0;
	if (search != NULL)
		search->answered(s->config->heartbeat, link->heartbeat_ms,
		    link->proof && !link->quiet);
}

void
session_heartbeat_lost(
    struct session *s, const struct link *link, uint64_t now_ms)
{
	const struct taupe_heartbeat_ops *search = search_of(s, link);

	if (search != NULL && link->state == LINK_UP && link->pinged_ms != 0)
		search->lost(s->config->heartbeat, link->heartbeat_ms, now_ms);
}

size_t
session_heartbeat_tell(
    struct session *s, struct link *link, uint64_t now_ms, uint8_t *out)
{
	const struct taupe_heartbeat_ops *search = search_of(s, link);
	const struct taupe_heartbeat *h = s->config->heartbeat;
	struct control_msg msg = {.op = CONTROL_HEARTBEAT};

	if (search == NULL || !link->tells || link->pinged_ms != 0)
		return 0;
	msg.heartbeat_ms = search->interval(h);
	if (msg.heartbeat_ms == link->heartbeat_ms &&
	    h->beat_bytes == link->told_bytes)
		return 0;
	msg.beat_bytes = h->beat_bytes;
	msg.budget_bytes = h->budget_bytes;
	link->heartbeat_ms = (uint32_t)msg.heartbeat_ms;
	link->told_bytes = h->beat_bytes;
	link->sent_ms = now_ms;
	return channel_message(&link->channel, &msg, out, TAUPE_OUTPUT_MAX);
}

size_t
session_heartbeat_send(
    struct session *s, struct link *link, uint64_t now_ms, uint8_t *out)
{
	const struct taupe_heartbeat_ops *search = search_of(s, link);
	uint64_t last_ms =
	    link->heard_ms > link->sent_ms ? link->heard_ms : link->sent_ms;

	if (link->pinged_ms == 0) {
		link->pinged_ms = now_ms;
		link->quiet =
		    search != NULL && search->is_quiet(s->config->heartbeat);
		/* an answer on its way is no silence, but hardly anything less */
		link->proof = (now_ms - last_ms) >=
		    link->heartbeat_ms - link->heartbeat_ms / 16u;
	}
	link->sent_ms = now_ms;
	return channel_frame(&link->channel,
	    link->quiet ? WS_OP_PONG : WS_OP_PING, NULL, 0, out);
}

bool
session_heartbeat_changed(struct session *s)
{
	struct taupe_heartbeat *h = s->config->heartbeat;
	bool changed = h != NULL && h->changed;

	if (changed)
		h->changed = false;
	return changed;
}

void
taupe_session_acked(
    struct taupe_session *session, unsigned index, uint64_t now_ms)
{
	struct session *s = (struct session *)(void *)session;
	struct link *link = &s->links[index];

	if (link->state != LINK_UP || link->pinged_ms == 0 || !link->quiet)
		return;
	link->heard_ms = now_ms;
	session_heartbeat_answered(s, link);
}

uint32_t
taupe_session_heartbeat_ms(const struct taupe_session *session)
{
	const struct session *s = (const struct session *)(const void *)session;

	return s->current != NO_LINK ? s->links[s->current].heartbeat_ms : 0;
}
