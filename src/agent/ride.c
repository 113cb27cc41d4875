/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdlib.h>

#include "agent/carrier.h"
#include "agent/ride.h"

struct ride {
	struct agent *agent;
	struct taupe_session *session;
	unsigned link;
	const struct ride_ops *ops;
	void *owner;
	struct task act_task;
	struct carrier carrier;
	size_t first; /* of its places in the session's */
	bool took_visits;
	struct shared_visit *visits[];
};

struct taupe_visit *
ride_places(size_t visits)
{
	return calloc(visits * TAUPE_LINKS, sizeof(struct taupe_visit));
}

static void
act_later(struct ride *ride)
{
	task_post(ride->agent->loop, &ride->act_task);
}

static void
act_task_cb(void *ctx)
{
	struct ride *ride = ctx;

	ride->ops->act(ride->owner);
}

/* ---- what comes ---- */

static enum pump_verdict
decode_cb(void *owner, uint8_t *data, size_t len, struct mux_step *mux_step)
{
	struct ride *ride = ((struct carrier *)owner)->owner;
	struct taupe_event event;

	if (conn_queued(ride->carrier.channel) > AGENT_UNREAD_MAX) {
		ride->ops->lost(
		    ride->owner, "the relay does not read what it is sent");
		return PUMP_GONE;
	}
	mux_step->consumed = taupe_session_input(ride->session, ride->link,
	    data, len, loop_now_ms(ride->agent->loop), &event);
	carrier_say(&ride->carrier, event.output.bytes, event.output.len);
	act_later(ride);
	if (event.type == TAUPE_EVENT_VISIT) {
		ride->took_visits = true;
		carrier_take_step(&ride->carrier,
		    event.step.visit - ride->first, &event.step, mux_step);
	} else if (event.type != TAUPE_EVENT_NONE) {
		ride->ops->event(ride->owner, &event);
	}
	return PUMP_STEP;
}

/* A link that was left ends with its last visit. */
static void
settle_cb(void *owner)
{
	act_later(owner);
}

static void
channel_ended_cb(void *owner, enum pump_end end)
{
	struct ride *ride = ((struct carrier *)owner)->owner;

	ride->ops->lost(ride->owner,
	    end == PUMP_EOF ? "the relay ended the connection"
			    : "the connection was reset");
}

/* ---- what libtaupe is asked ---- */

/* When something is said of a visit: now. */
static uint64_t
visit_ms(struct ride *ride)
{
	ride->took_visits = true;
	return loop_now_ms(ride->agent->loop);
}

static size_t
frame_cb(void *owner, size_t place, size_t len,
    uint8_t header[TAUPE_MUX_HEADER_MAX], uint8_t mask[4])
{
	struct ride *ride = owner;

	return taupe_visit_frame(ride->session, ride->first + place, len,
	    visit_ms(ride), header, mask);
}

static size_t
say_cb(void *owner, size_t place, enum carrier_word word, const char *reason,
    uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct ride *ride = owner;
	struct taupe_session *session = ride->session;
	uint64_t now_ms = visit_ms(ride);

	place += ride->first;
	switch (word) {
	case CARRIER_OPENED:
		return taupe_visit_opened(session, place, now_ms, out);
	case CARRIER_REFUSED:
		return taupe_visit_refused(session, place, reason, now_ms, out);
	case CARRIER_EOF:
		return taupe_visit_eof(session, place, now_ms, out);
	case CARRIER_ABORT:
		return taupe_visit_abort(session, place, now_ms, out);
	}
	return 0;
}

static size_t
credit_cb(
    void *owner, size_t place, uint32_t bytes, uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct ride *ride = owner;

	return taupe_visit_credit(
	    ride->session, ride->first + place, bytes, visit_ms(ride), out);
}

static bool
is_over_cb(void *owner, size_t place)
{
	struct ride *ride = owner;

	return taupe_visit_is_over(ride->session, ride->first + place);
}

static const struct carrier_ops ride_carrier_ops = {
    .frame = frame_cb,
    .say = say_cb,
    .credit = credit_cb,
    .is_over = is_over_cb,
    .settle = settle_cb,
};

static const struct mux_ops ride_mux_ops = {
    CARRIER_MUX_OPS,
    .decode = decode_cb,
    .channel_ended = channel_ended_cb,
};

/* ---- its life ---- */

struct ride *
ride_new(struct agent *agent, struct taupe_session *session, unsigned link,
    struct conn *conn, const struct ride_ops *ops, void *owner)
{
	size_t n = agent->ride_visits;
	struct ride *ride =
	    calloc(1, sizeof(*ride) + n * sizeof(ride->visits[0]));

	if (ride == NULL)
		return NULL;
	ride->agent = agent;
	ride->session = session;
	ride->link = link;
	ride->first = link * n;
	ride->ops = ops;
	ride->owner = owner;
	task_init(&ride->act_task, act_task_cb, ride);
	carrier_init(&ride->carrier, agent, conn, ride->visits, n,
	    &ride_mux_ops, &ride_carrier_ops, ride);
	mux_keep_short(&ride->carrier.mux);
	return ride;
}

bool
ride_took_visits(struct ride *ride)
{
	bool took = ride->took_visits;

	ride->took_visits = false;
	return took;
}

void
ride_settle(struct ride *ride)
{
	carrier_lose_over(&ride->carrier, "its session is over");
}

void
ride_free(struct ride **ride, const char *reason)
{
	struct ride *r = *ride;

	if (r == NULL)
		return;
	*ride = NULL;
	task_cancel(r->agent->loop, &r->act_task);
	carrier_fini(&r->carrier, reason);
	free(r);
}
