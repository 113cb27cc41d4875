/* SPDX-License-Identifier: MIT */
/*
 * A shared channel: dug for a session, it carries visits until both are over. Visits may move
 * from it to channels of their own.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "agent/carrier.h"
#include "agent/dig.h"
#include "agent/shared.h"
#include "agent/transfer.h"
#include "base/log.h"

#define SESSION_CHANNELS 4 /* shared ones, at most */
#define VISITS_KEPT 256	   /* whose memory is kept for the next ones */
#define MESSAGE_BYTES 704  /* of the longest control message */

struct shared {
	LIST_ENTRY(shared) link; /* in agent->shared */
	struct agent *agent;
	struct dig *dig;    /* until it is ready */
	struct timer timer; /* of the first visit */
	struct conn channel;
	struct carrier carrier; /* from TAUPE_STEP_READY on */
	bool ready;
	uint64_t session; /* for which it was dug */
	char id[TAUPE_ID_LEN];
	struct taupe_mux protocol;
	struct taupe_visit *places;	/* its memory */
	uint8_t message[MESSAGE_BYTES]; /* its buffer once it is ready */
	size_t n_visits;
	struct shared_visit *visits[]; /* by place; NULL: none, for us */
};

/* ---- its end ---- */

static void
shared_free(struct shared *s, const char *reason)
{
	struct agent *agent = s->agent;

	if (s->ready)
		carrier_fini(&s->carrier, reason);
	dig_free(&s->dig);
	timer_clear(agent->loop, &s->timer);
	if (conn_is_open(&s->channel)) {
		conn_resume(&s->channel);
		farewell_take(agent->farewells, &s->channel);
	}
	log_debug("shared channel closed", LOG_S("device", agent->config.name),
	    LOG_S("reason", reason),
	    LOG_U("visits", taupe_mux_visit(&s->protocol)));
	LIST_REMOVE(s, link);
	agent->n_transfers--;
	free(s);
	agent_check_stop(agent);
}

static void
close_channel(struct shared *s, const char *reason)
{
	uint8_t out[TAUPE_MESSAGE_MAX];

	if (s->ready)
		carrier_say(
		    &s->carrier, out, taupe_mux_close(&s->protocol, out));
	shared_free(s, reason);
}

/* Does it rest, and will no visitor come to it any more? */
static bool
is_stale(const struct shared *s)
{
	/* a young one was dug for a visitor who may still come */
	return taupe_mux_is_idle(&s->protocol) && !timer_is_set(&s->timer) &&
	    agent_session_is_over(s->agent, s->session);
}

/* After anything that may have ended a visit. False: s is gone. */
static bool
settle(struct shared *s)
{
	if (!is_stale(s))
		return true;
	close_channel(s, "its session is over");
	return false;
}

/* ---- what comes ---- */

static enum pump_verdict
take_step(
    struct shared *s, const struct taupe_step *step, struct mux_step *mux_step)
{
	switch (step->type) {
	case TAUPE_STEP_NONE:
	case TAUPE_STEP_READY:
		break;
	case TAUPE_STEP_OPEN:
		timer_clear(s->agent->loop, &s->timer);
		/* fallthrough */
	case TAUPE_STEP_DATA:
	case TAUPE_STEP_EOF:
	case TAUPE_STEP_ABORT:
	case TAUPE_STEP_CREDIT:
	case TAUPE_STEP_MOVED:
		carrier_take_step(&s->carrier, step->visit, step, mux_step);
		break;
	case TAUPE_STEP_CLOSED:
		shared_free(s, "closed by the relay");
		return PUMP_GONE;
	case TAUPE_STEP_FAILED:
		log_warn("shared channel failed",
		    LOG_S("device", s->agent->config.name),
		    LOG_S("reason", step->reason));
		shared_free(s, step->reason);
		return PUMP_GONE;
	}
	return settle(s) ? PUMP_STEP : PUMP_GONE;
}

static enum pump_verdict
decode_cb(void *owner, uint8_t *data, size_t len, struct mux_step *mux_step)
{
	struct shared *s = ((struct carrier *)owner)->owner;
	struct taupe_step step;

	if (conn_queued(&s->channel) > AGENT_UNREAD_MAX) {
		conn_abort(&s->channel);
		shared_free(s, "the relay does not read what it is sent");
		return PUMP_GONE;
	}
	mux_step->consumed = taupe_mux_input(&s->protocol, data, len, &step);
	if (step.output.len > 0)
		carrier_say(&s->carrier, step.output.bytes, step.output.len);
	return take_step(s, &step, mux_step);
}

static void
settle_cb(void *owner)
{
	(void)settle(owner);
}

static void
channel_ended_cb(void *owner, enum pump_end end)
{
	struct shared *s = ((struct carrier *)owner)->owner;

	conn_fini(&s->channel);
	shared_free(s,
	    end == PUMP_EOF ? "the relay ended the connection"
			    : "connection reset");
}

/* ---- what libtaupe is asked ---- */

static struct taupe_mux *
protocol_of(void *owner)
{
	struct shared *s = owner;

	return &s->protocol;
}

static size_t
frame_cb(void *owner, size_t place, size_t len,
    uint8_t header[TAUPE_MUX_HEADER_MAX], uint8_t mask[4])
{
	return taupe_mux_frame(protocol_of(owner), place, len, header, mask);
}

static size_t
say_cb(void *owner, size_t place, enum carrier_word word, const char *reason,
    uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct taupe_mux *protocol = protocol_of(owner);

	switch (word) {
	case CARRIER_OPENED:
		return taupe_mux_opened(protocol, place, out);
	case CARRIER_REFUSED:
		return taupe_mux_refused(protocol, place, reason, out);
	case CARRIER_EOF:
		return taupe_mux_eof(protocol, place, out);
	case CARRIER_ABORT:
		return taupe_mux_abort(protocol, place, out);
	}
	return 0;
}

static size_t
credit_cb(
    void *owner, size_t place, uint32_t bytes, uint8_t out[TAUPE_MESSAGE_MAX])
{
	return taupe_mux_credit(protocol_of(owner), place, bytes, out);
}

static bool
is_over_cb(void *owner, size_t place)
{
	return taupe_mux_is_over(protocol_of(owner), place);
}

static const struct carrier_ops shared_carrier_ops = {
    .frame = frame_cb,
    .say = say_cb,
    .credit = credit_cb,
    .is_over = is_over_cb,
    .settle = settle_cb,
};

static const struct mux_ops shared_mux_ops = {
    CARRIER_MUX_OPS,
    .decode = decode_cb,
    .channel_ended = channel_ended_cb,
};

/* ---- a visit moves ---- */

static struct shared *
find(struct agent *agent, const char *id)
{
	struct shared *s;

	LIST_FOREACH (s, &agent->shared, link)
		if (s->ready && memcmp(s->id, id, sizeof(s->id)) == 0)
			return s;
	return NULL;
}

/* The visit of that number, if it can move; else NULL. */
static struct shared_visit *
find_visit(struct shared *s, uint32_t stream)
{
	struct shared_visit *v;
	size_t place;

	if (!taupe_mux_find(&s->protocol, stream, &place))
		return NULL;
	v = s->visits[place];
	return v != NULL && v->side.raw != NULL ? v : NULL;
}

struct shared_visit *
shared_move(struct agent *agent, const char *id, uint32_t stream,
    struct visit *to, struct transfer *heir)
{
	struct shared *s = find(agent, id);
	struct shared_visit *v;
	uint8_t out[TAUPE_MESSAGE_MAX];

	if (s == NULL)
		return NULL;
	if ((v = find_visit(s, stream)) == NULL) {
		carrier_say(&s->carrier, out,
		    taupe_mux_stay(&s->protocol, stream, out));
		return NULL;
	}
	if (!visit_move(to, &v->visit)) {
		carrier_say(&s->carrier, out,
		    taupe_mux_abort(&s->protocol, v->place, out));
		carrier_say(&s->carrier, out,
		    taupe_mux_stay(&s->protocol, stream, out));
		shared_visit_free(v);
		return NULL;
	}
	to->bytes_out = v->side.to_channel_bytes;
	mux_hand_over(&v->side, &to->service);
	v->heir = heir;
	carrier_say(
	    &s->carrier, out, taupe_mux_move(&s->protocol, v->place, out));
	log_debug("visit moves to a channel of its own",
	    LOG_S("device", agent->config.name),
	    LOG_S("service", to->service_name), LOG_S("from", to->from));
	return v;
}

void
shared_leave(struct shared_visit *visit)
{
	mux_leave(&visit->side);
}

void
shared_forget(struct shared_visit **visit)
{
	(*visit)->heir = NULL;
	*visit = NULL;
}

/* ---- its life ---- */

void
shared_init(struct agent *agent)
{
	LIST_INIT(&agent->shared);
	pool_init(
	    &agent->shared_visits, sizeof(struct shared_visit), VISITS_KEPT);
}

static void
ready_cb(void *owner, const uint8_t *rest, size_t len)
{
	struct shared *s = owner;

	/* it may belong to a session that is over by the time its visitor has come */
	timer_set(s->agent->loop, &s->timer,
	    (uint64_t)s->agent->settings->options.connect_timeout_ms);
	s->ready = true;
	taupe_mux_set_buffer(&s->protocol, s->message, sizeof(s->message));
	dig_free(&s->dig);
	carrier_init(&s->carrier, s->agent, &s->channel, s->visits, s->n_visits,
	    &shared_mux_ops, &shared_carrier_ops, s);
	if (len > 0)
		(void)mux_feed(&s->carrier.mux, rest, len);
}

static void
timer_cb(void *ctx)
{
	(void)settle(ctx);
}

static const uint8_t *
request_cb(void *owner, size_t *len)
{
	const struct shared *s = owner;

	return taupe_mux_request(&s->protocol, len);
}

static size_t
input_cb(void *owner, uint8_t *data, size_t len, struct taupe_step *step)
{
	struct shared *s = owner;

	return taupe_mux_input(&s->protocol, data, len, step);
}

static void
failed_cb(void *owner, const char *reason)
{
	shared_free(owner, reason);
}

static const struct dig_ops shared_dig_ops = {
    .request = request_cb,
    .input = input_cb,
    .ready = ready_cb,
    .failed = failed_cb,
};

/* NULL, or why it cannot be done. */
static const char *
dig_out(struct shared *s, const struct taupe_relay *relay)
{
	const char *error =
	    dig_new(&s->dig, s->agent, &s->channel, &shared_dig_ops, s);
	uint8_t *buffer;
	size_t size;

	if (error != NULL)
		return error;
	buffer = dig_buffer(s->dig, &size);
	if (!taupe_mux_init(&s->protocol, &s->agent->config, relay, s->id,
		s->places, s->n_visits, buffer, size))
		return "the request is too long";
	return dig_start(s->dig, relay);
}

/* A session has one; one more may be there that was lost, and we do not know yet. */
static bool
has_plenty(const struct agent *agent, uint64_t session)
{
	const struct shared *s;
	size_t n = 0;

	LIST_FOREACH (s, &agent->shared, link)
		n += s->session == session;
	return n >= SESSION_CHANNELS;
}

const char *
shared_dig(struct agent *agent, const struct taupe_relay *relay, const char *id,
    uint64_t session, size_t visits)
{
	struct shared *s;
	const char *error;

	if (visits == 0)
		return "no shared channel was offered";
	if (has_plenty(agent, session))
		return "too many shared channels";
	s = calloc(1,
	    sizeof(*s) + visits * (sizeof(s->visits[0]) + sizeof(*s->places)));
	if (s == NULL)
		return "no memory";
	s->agent = agent;
	s->session = session;
	s->channel = (struct conn)CONN_CLOSED;
	s->n_visits = visits;
	s->places = (struct taupe_visit *)(void *)(s->visits + visits);
	memcpy(s->id, id, sizeof(s->id));
	timer_init(&s->timer, timer_cb, s);
	if ((error = dig_out(s, relay)) != NULL) {
		dig_free(&s->dig);
		free(s);
		return error;
	}
	LIST_INSERT_HEAD(&agent->shared, s, link);
	agent->n_transfers++;
	return NULL;
}

void
shared_close_stale(struct agent *agent)
{
	struct shared *s, *next;

	for (s = LIST_FIRST(&agent->shared); s != NULL; s = next) {
		next = LIST_NEXT(s, link);
		(void)settle(s);
	}
}

void
shared_close(struct agent *agent, bool running_too)
{
	struct shared *s, *next;

	for (s = LIST_FIRST(&agent->shared); s != NULL; s = next) {
		next = LIST_NEXT(s, link);
		if (running_too || taupe_mux_is_idle(&s->protocol))
			close_channel(s, "the agent stops");
	}
}
