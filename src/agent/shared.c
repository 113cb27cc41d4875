/* SPDX-License-Identifier: MIT */
/*
 * A shared channel. Each visit that we still have to do with is an object in the place that
 * libtaupe has given it; a place may be taken for longer, until the relay has ended its
 * direction too. All that is said in one turn of the loop leaves in one piece.
 */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agent/dig.h"
#include "agent/shared.h"
#include "agent/transfer.h"
#include "base/log.h"
#include "net/mux.h"

#define VISITS_KEPT 256	  /* whose memory is kept for the next ones */
#define MESSAGE_BYTES 704 /* of the longest control message */

struct shared_visit {
	struct visit visit;
	struct mux_side side;
	struct shared *shared;
	struct transfer *heir; /* to whom it moves, or NULL */
	size_t place;
};

struct shared {
	LIST_ENTRY(shared) link; /* in agent->shared */
	struct agent *agent;
	struct dig *dig;    /* until it is ready */
	struct timer timer; /* of the first visit */
	struct conn channel;
	struct mux mux; /* from TAUPE_STEP_READY on */
	bool ready;
	uint64_t session; /* for which it was dug */
	char id[TAUPE_ID_LEN];
	struct taupe_mux protocol;
	struct taupe_visit *places;	/* its memory */
	uint8_t message[MESSAGE_BYTES]; /* its buffer once it is ready */
	size_t n_visits;
	struct shared_visit *visits[]; /* by place; NULL: none, for us */
};

static void
say(struct shared *s, const uint8_t *message, size_t len)
{
	if (len == 0)
		return;
	(void)conn_append(&s->channel, message, len);
	mux_flush_soon(&s->mux);
}

/* ---- its end ---- */

static void
shared_visit_free(struct shared_visit *v)
{
	mux_leave(&v->side);
	v->shared->visits[v->place] = NULL;
	pool_put(&v->shared->agent->shared_visits, v);
}

/* Part from the service, gently or with a reset. */
static void
end_visit(struct shared_visit *v, bool reset, const char *reason)
{
	uint64_t bytes_in = v->side.to_raw_bytes,
		 bytes_out = v->side.to_channel_bytes;

	mux_leave(&v->side);
	visit_end(&v->visit, reset, reason, bytes_in, bytes_out);
	shared_visit_free(v);
}

static void
lose_visit(struct shared_visit *v, const char *reason)
{
	struct transfer *heir = v->heir;

	if (v->visit.running) {
		end_visit(v, true, reason);
		return;
	}
	shared_visit_free(v);
	if (heir != NULL)
		transfer_lose_origin(heir);
}

static void
shared_free(struct shared *s, const char *reason)
{
	struct agent *agent = s->agent;

	for (size_t i = 0; i < s->n_visits; i++)
		if (s->visits[i] != NULL)
			lose_visit(s->visits[i], reason);
	dig_free(&s->dig);
	timer_clear(agent->loop, &s->timer);
	if (s->ready)
		mux_fini(&s->mux);
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

	say(s, out, taupe_mux_close(&s->protocol, out));
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

/* ---- a visit ---- */

/* After anything that may have ended its last direction. False: the channel is gone. */
static bool
settle_visit(struct shared_visit *v)
{
	struct shared *s = v->shared;

	if (taupe_mux_is_over(&s->protocol, v->place))
		end_visit(v, false, "done");
	return settle(s);
}

static void
refuse_visit(struct shared_visit *v, const char *reason)
{
	struct shared *s = v->shared;
	uint8_t out[TAUPE_MESSAGE_MAX];

	visit_report_refusal(&v->visit, reason);
	say(s, out, taupe_mux_refused(&s->protocol, v->place, reason, out));
	end_visit(v, true, reason);
}

static void
service_dialled_cb(void *owner, const char *error)
{
	struct shared_visit *v = owner;
	struct shared *s = v->shared;

	if (error == NULL) {
		mux_join(&v->side, &v->visit.service, NULL, 0);
		return;
	}
	refuse_visit(v, error);
	(void)settle(s);
}

static void
opened_cb(void *owner)
{
	struct shared_visit *v = owner;
	struct shared *s = v->shared;
	uint8_t out[TAUPE_MESSAGE_MAX];

	say(s, out, taupe_mux_opened(&s->protocol, v->place, out));
}

static const struct visit_ops shared_visit_ops = {
    .dialled = service_dialled_cb,
    .opened = opened_cb,
};

static void
begin_visit(struct shared *s, const struct taupe_step *step)
{
	struct shared_visit *v = pool_get(&s->agent->shared_visits);
	uint8_t out[TAUPE_MESSAGE_MAX];

	timer_clear(s->agent->loop, &s->timer);
	if (v == NULL) {
		say(s, out,
		    taupe_mux_refused(
			&s->protocol, step->visit, "no memory", out));
		return;
	}
	v->shared = s;
	v->place = step->visit;
	s->visits[v->place] = v;
	visit_init(&v->visit, s->agent, &shared_visit_ops, v);
	mux_side_init(&v->side, &s->mux, TAUPE_MUX_WINDOW, TAUPE_MUX_WINDOW);
	if (!visit_begin(&v->visit, step))
		refuse_visit(v, "no memory");
}

/* ---- the mux's questions ---- */

/* The relay has reset a visit, or said its last word about one that moves. */
static void
take_last_word(struct shared_visit *v)
{
	struct transfer *heir = v->heir;
	uint64_t bytes_in = v->side.to_raw_bytes;

	if (v->visit.running) {
		end_visit(v, true, "reset by the visitor");
		return;
	}
	shared_visit_free(v);
	if (heir != NULL)
		transfer_go_on(heir, bytes_in);
}

/* False: s is gone. */
static bool
take_visit_step(struct shared_visit *v, const struct taupe_step *step,
    struct mux_step *mux_step)
{
	switch (step->type) {
	case TAUPE_STEP_DATA:
		mux_step->side = &v->side;
		mux_step->payload = step->payload;
		mux_step->length = step->payload_len;
		break;
	case TAUPE_STEP_CREDIT:
		/* libtaupe has counted it, too */
		(void)mux_give_credit(&v->side, step->bytes);
		break;
	case TAUPE_STEP_EOF:
		mux_end_raw(&v->side);
		return settle_visit(v);
	default:
		take_last_word(v);
		break;
	}
	return true;
}

static enum pump_verdict
take_step(
    struct shared *s, const struct taupe_step *step, struct mux_step *mux_step)
{
	switch (step->type) {
	case TAUPE_STEP_NONE:
	case TAUPE_STEP_READY:
		break;
	case TAUPE_STEP_OPEN:
		begin_visit(s, step);
		break;
	case TAUPE_STEP_DATA:
	case TAUPE_STEP_EOF:
	case TAUPE_STEP_ABORT:
	case TAUPE_STEP_CREDIT:
	case TAUPE_STEP_MOVED:
		if (s->visits[step->visit] != NULL &&
		    !take_visit_step(s->visits[step->visit], step, mux_step))
			return PUMP_GONE;
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
	struct shared *s = owner;
	struct taupe_step step;

	if (conn_queued(&s->channel) > AGENT_UNREAD_MAX) {
		conn_abort(&s->channel);
		shared_free(s, "the relay does not read what it is sent");
		return PUMP_GONE;
	}
	mux_step->consumed = taupe_mux_input(&s->protocol, data, len, &step);
	say(s, step.output.bytes, step.output.len);
	return take_step(s, &step, mux_step);
}

static struct shared_visit *
visit_of(struct mux_side *side)
{
	return (struct shared_visit *)(void *)((char *)side -
	    offsetof(struct shared_visit, side));
}

static size_t
encode_cb(void *owner, struct mux_side *side, uint8_t *payload, size_t len)
{
	struct shared *s = owner;
	uint8_t header[TAUPE_MUX_HEADER_MAX], mask[4];
	size_t header_len = taupe_mux_frame(
	    &s->protocol, visit_of(side)->place, len, header, mask);

	/* the mux does not read on when our direction has ended, nor beyond the credit */
	assert(header_len > 0 && header_len <= BUF_HEADROOM);
	taupe_mask(payload, len, mask, 0);
	memcpy(payload - header_len, header, header_len);
	return header_len;
}

static void
credit_cb(void *owner, struct mux_side *side, uint32_t bytes)
{
	struct shared *s = owner;
	uint8_t out[TAUPE_MESSAGE_MAX];

	say(s, out,
	    taupe_mux_credit(&s->protocol, visit_of(side)->place, bytes, out));
}

static void
raw_eof_cb(void *owner, struct mux_side *side)
{
	struct shared *s = owner;
	struct shared_visit *v = visit_of(side);
	uint8_t out[TAUPE_MESSAGE_MAX];

	say(s, out, taupe_mux_eof(&s->protocol, v->place, out));
	(void)settle_visit(v);
}

static void
raw_failed_cb(void *owner, struct mux_side *side)
{
	struct shared *s = owner;
	struct shared_visit *v = visit_of(side);
	uint8_t out[TAUPE_MESSAGE_MAX];

	say(s, out, taupe_mux_abort(&s->protocol, v->place, out));
	end_visit(v, true, "reset by the service");
	(void)settle(s);
}

static void
channel_ended_cb(void *owner, enum pump_end end)
{
	struct shared *s = owner;

	conn_fini(&s->channel);
	shared_free(s,
	    end == PUMP_EOF ? "the relay ended the connection"
			    : "connection reset");
}

static const struct mux_ops channel_mux_ops = {
    .decode = decode_cb,
    .encode = encode_cb,
    .credit = credit_cb,
    .raw_eof = raw_eof_cb,
    .raw_failed = raw_failed_cb,
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
		say(s, out, taupe_mux_stay(&s->protocol, stream, out));
		return NULL;
	}
	if (!visit_move(to, &v->visit)) {
		say(s, out, taupe_mux_abort(&s->protocol, v->place, out));
		say(s, out, taupe_mux_stay(&s->protocol, stream, out));
		shared_visit_free(v);
		return NULL;
	}
	to->bytes_out = v->side.to_channel_bytes;
	mux_hand_over(&v->side, &to->service);
	v->heir = heir;
	say(s, out, taupe_mux_move(&s->protocol, v->place, out));
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
	mux_init(&s->mux, &s->channel, &channel_mux_ops, s);
	if (len > 0)
		(void)mux_feed(&s->mux, rest, len);
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

const char *
shared_dig(struct agent *agent, const struct taupe_relay *relay, const char *id,
    uint64_t session, size_t visits)
{
	struct shared *s;
	const char *error;

	if (visits == 0)
		return "no shared channel was offered";
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
