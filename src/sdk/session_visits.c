/* SPDX-License-Identifier: MIT */
/*
 * Visits that ride on the control channel (docs/PROTOCOL.md section 5.9): which link a place
 * belongs to, what comes for it, and what is said of it. A link that was left for another one
 * stays until its last visit is over.
 */
#include "sdk/session.h"

static size_t
first_place(const struct session *s, const struct link *link)
{
	return (size_t)link_index(s, link) * s->n_places;
}

static unsigned
link_of_place(const struct session *s, size_t visit)
{
	return TAUPE_LINKS > 1 && visit >= s->n_places;
}

void
session_visits_init(struct session *s, struct link *link)
{
	if (session_has_rides(s))
		visits_init(&link->visits, s->config,
		    s->places + first_place(s, link), s->n_places);
}

void
session_settle(struct link *link)
{
	if (link->state == LINK_LEAVING && link->visits.n_used == 0)
		link_finish(link, WS_CLOSE_NORMAL, NULL);
}

/* The step that the link's visits have made of what came is the event. */
static void
report_step(struct session *s, struct link *link, struct taupe_event *event)
{
	struct taupe_step *step = &event->step;

	if (step->output.len > 0) {
		event->output.len = step->output.len;
		memcpy(
		    event->output.bytes, step->output.bytes, step->output.len);
	}
	if (step->type != TAUPE_STEP_NONE) {
		event->type = TAUPE_EVENT_VISIT;
		step->visit += first_place(s, link);
	}
	session_settle(link);
}

const char *
session_take_visit_message(struct session *s, struct link *link,
    const struct control_msg *msg, struct taupe_event *event)
{
	const char *error = visits_take_message(
	    &link->visits, &link->channel, msg, &event->step);

	if (error == NULL)
		report_step(s, link, event);
	return error;
}

const char *
session_take_visit_bytes(struct session *s, struct link *link,
    const struct ws_event *bytes, struct taupe_event *event)
{
	const char *error;

	if (!session_has_rides(s) || !link_is_up(link))
		return SAYS("a binary message on a control channel");
	error = visits_take_bytes(&link->visits, bytes, &event->step);
	if (error == NULL)
		report_step(s, link, event);
	return error;
}

/* ---- what the driver says ---- */

/* The link of a visit, which becomes its place there; NULL: nothing can be said on it. */
static struct link *
link_to_speak(struct session *s, size_t *visit)
{
	struct link *link = &s->links[link_of_place(s, *visit)];

	*visit -= first_place(s, link);
	return link_is_up(link) ? link : NULL;
}

/* Something was said of a visit: len bytes. */
static size_t
said(const struct session *s, struct link *link, size_t len)
{
	if (len > 0)
		link->sent_ms = s->now_ms;
	session_settle(link);
	return len;
}

size_t
taupe_visit_frame(struct taupe_session *session, size_t visit, size_t len,
    uint64_t now_ms, uint8_t header[TAUPE_MUX_HEADER_MAX], uint8_t mask[4])
{
	struct session *s = session_at(session, now_ms);
	struct link *link = link_to_speak(s, &visit);

	return link == NULL ? 0
			    : said(s, link,
				  visits_frame(&link->visits, &link->channel,
				      visit, len, header, mask));
}

static size_t
say(struct session *s, size_t visit, enum visit_word word, const char *reason,
    uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct link *link = link_to_speak(s, &visit);

	return link == NULL ? 0
			    : said(s, link,
				  visits_say(&link->visits, &link->channel,
				      visit, word, reason, out));
}

size_t
taupe_visit_opened(struct taupe_session *session, size_t visit, uint64_t now_ms,
    uint8_t out[TAUPE_MESSAGE_MAX])
{
	return say(session_at(session, now_ms), visit, VISIT_OPENED, NULL, out);
}

size_t
taupe_visit_refused(struct taupe_session *session, size_t visit,
    const char *reason, uint64_t now_ms, uint8_t out[TAUPE_MESSAGE_MAX])
{
	char safe[SAFE_REASON_MAX + 1];

	return say(session_at(session, now_ms), visit, VISIT_REFUSED,
	    channel_safe_reason(reason, safe), out);
}

size_t
taupe_visit_eof(struct taupe_session *session, size_t visit, uint64_t now_ms,
    uint8_t out[TAUPE_MESSAGE_MAX])
{
	return say(session_at(session, now_ms), visit, VISIT_END, NULL, out);
}

size_t
taupe_visit_abort(struct taupe_session *session, size_t visit, uint64_t now_ms,
    uint8_t out[TAUPE_MESSAGE_MAX])
{
	return say(session_at(session, now_ms), visit, VISIT_ABORT, NULL, out);
}

size_t
taupe_visit_credit(struct taupe_session *session, size_t visit, uint32_t bytes,
    uint64_t now_ms, uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct session *s = session_at(session, now_ms);
	struct link *link = link_to_speak(s, &visit);

	return link == NULL ? 0
			    : said(s, link,
				  visits_credit(&link->visits, &link->channel,
				      visit, bytes, out));
}

bool
taupe_visit_is_over(const struct taupe_session *session, size_t visit)
{
	const struct session *s = (const struct session *)(const void *)session;
	const struct link *link = &s->links[link_of_place(s, visit)];

	return !link_is_up(link) ||
	    !visit_state_is(
		&link->visits.slots[visit - first_place(s, link)].visit,
		VISIT_RUNNING);
}
