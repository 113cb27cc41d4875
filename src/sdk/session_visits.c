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

void
session_visits_init(struct session *s, struct link *link)
{
	if (s->n_places > 0)
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
    const struct channel_event *bytes, struct taupe_event *event)
{
	const char *error;

	if (s->n_places == 0 || !link_is_up(link))
		return "a binary message on a control channel";
	error = visits_take_bytes(&link->visits, bytes, &event->step);
	if (error == NULL)
		report_step(s, link, event);
	return error;
}

void
session_refuse_channel(struct link *link, const struct control_msg *open,
    struct taupe_event *event)
{
	struct control_msg refusal = {.op = CONTROL_REFUSED,
	    .id = open->id,
	    .reason = STR("no transfer channels")};

	event->type = TAUPE_EVENT_NO_CHANNEL;
	event->output.len = channel_message(&link->channel, &refusal,
	    event->output.bytes, sizeof(event->output.bytes));
}

/* ---- what the driver says ---- */

/* The link of a visit, and *place within it; NULL: nothing can be said on it. */
static struct link *
link_to_speak(struct session *s, size_t visit, size_t *place)
{
	struct link *link = &s->links[visit / s->n_places];

	*place = visit % s->n_places;
	return link_is_up(link) ? link : NULL;
}

/* Something was said of a visit: len bytes. */
static size_t
said(struct link *link, size_t len, uint64_t now_ms)
{
	if (len > 0)
		link->sent_ms = now_ms;
	session_settle(link);
	return len;
}

static struct session *
session_of(struct taupe_session *session)
{
	return (struct session *)(void *)session;
}

size_t
taupe_visit_frame(struct taupe_session *session, size_t visit, size_t len,
    uint64_t now_ms, uint8_t header[TAUPE_MUX_HEADER_MAX], uint8_t mask[4])
{
	struct session *s = session_of(session);
	size_t place;
	struct link *link = link_to_speak(s, visit, &place);

	if (link == NULL)
		return 0;
	return said(link,
	    visits_frame(&link->visits, &link->channel, place, len,
		channel_may_mask_with_zeros(s->config, link->tls), header,
		mask),
	    now_ms);
}

size_t
taupe_visit_opened(struct taupe_session *session, size_t visit, uint64_t now_ms,
    uint8_t out[TAUPE_MESSAGE_MAX])
{
	size_t place;
	struct link *link = link_to_speak(session_of(session), visit, &place);

	return link == NULL
	    ? 0
	    : said(link,
		  visits_opened(&link->visits, &link->channel, place, out),
		  now_ms);
}

size_t
taupe_visit_refused(struct taupe_session *session, size_t visit,
    const char *reason, uint64_t now_ms, uint8_t out[TAUPE_MESSAGE_MAX])
{
	size_t place;
	struct link *link = link_to_speak(session_of(session), visit, &place);

	return link == NULL ? 0
			    : said(link,
				  visits_refused(&link->visits, &link->channel,
				      place, reason, out),
				  now_ms);
}

size_t
taupe_visit_eof(struct taupe_session *session, size_t visit, uint64_t now_ms,
    uint8_t out[TAUPE_MESSAGE_MAX])
{
	size_t place;
	struct link *link = link_to_speak(session_of(session), visit, &place);

	return link == NULL
	    ? 0
	    : said(link, visits_eof(&link->visits, &link->channel, place, out),
		  now_ms);
}

size_t
taupe_visit_abort(struct taupe_session *session, size_t visit, uint64_t now_ms,
    uint8_t out[TAUPE_MESSAGE_MAX])
{
	size_t place;
	struct link *link = link_to_speak(session_of(session), visit, &place);

	return link == NULL
	    ? 0
	    : said(link,
		  visits_abort(&link->visits, &link->channel, place, out),
		  now_ms);
}

size_t
taupe_visit_credit(struct taupe_session *session, size_t visit, uint32_t bytes,
    uint64_t now_ms, uint8_t out[TAUPE_MESSAGE_MAX])
{
	size_t place;
	struct link *link = link_to_speak(session_of(session), visit, &place);

	return link == NULL ? 0
			    : said(link,
				  visits_credit(&link->visits, &link->channel,
				      place, bytes, out),
				  now_ms);
}

bool
taupe_visit_is_over(const struct taupe_session *session, size_t visit)
{
	const struct session *s = (const struct session *)(const void *)session;
	const struct link *link = &s->links[visit / s->n_places];

	return !link_is_up(link) ||
	    !link->visits.slots[visit % s->n_places].visit.running;
}
