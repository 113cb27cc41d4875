/* SPDX-License-Identifier: MIT */
/*
 * A transfer channel that carries one visit at a time. While a service is being dialled, what
 * the visitor sends is kept here, up to a limit, and the channel is not read beyond it; once
 * the service is there, the pump has both sides and nothing is kept.
 */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agent/dig.h"
#include "agent/profile.h"
#include "agent/shared.h"
#include "agent/transfer.h"
#include "agent/visit.h"
#include "base/log.h"
#include "net/pump.h"

#define MESSAGE_BYTES 704   /* of a visit's longest control message */
#define EARLY_MAX BUF_LARGE /* of a visitor's bytes that wait for the service */

struct transfer {
	LIST_ENTRY(transfer) link; /* in agent->transfers */
	struct agent *agent;
	struct dig *dig;    /* until it is ready */
	struct timer timer; /* of the first visit */
	struct conn channel;
	struct visit visit;
	struct pump pump;      /* from TAUPE_STEP_READY on */
	struct buf_list early; /* what waits for the service */
	size_t early_bytes;
	bool early_eof; /* the visitor's end waits as well */
	bool ready;
	/* the shared channel's end of a visit that moves here: while its relay has not said its
	 * last word there, this channel is not read */
	struct shared_visit *origin;
	uint64_t session; /* for which it was dug */
	struct taupe_stream stream;
	uint8_t
	    message[MESSAGE_BYTES]; /* the stream's buffer once it is ready */
};

/* ---- the visit ---- */

static void
send_message(struct transfer *t, const uint8_t *message, size_t len)
{
	if (len > 0)
		(void)conn_write(&t->channel, message, len);
}

static void
drop_early(struct transfer *t)
{
	struct buf *buf;

	while ((buf = STAILQ_FIRST(&t->early)) != NULL) {
		STAILQ_REMOVE_HEAD(&t->early, link);
		buf_put(&buf);
	}
	t->early_bytes = 0;
	t->early_eof = false;
}

/* Part from the service, gently or with a reset. */
static void
end_visit(struct transfer *t, bool reset, const char *reason)
{
	if (!t->visit.running)
		return;
	drop_early(t);
	if (t->origin != NULL) {
		shared_leave(t->origin);
		shared_forget(&t->origin);
		pump_hold(&t->pump, false);
	}
	if (t->pump.raw != NULL)
		pump_leave(&t->pump);
	visit_end(&t->visit, reset, reason, t->pump.to_raw_bytes,
	    t->pump.to_channel_bytes);
}

static void
transfer_free(struct transfer *t, const char *reason)
{
	struct agent *agent = t->agent;

	pump_recall(&t->pump);
	end_visit(t, true, reason);
	dig_free(&t->dig);
	timer_clear(agent->loop, &t->timer);
	if (t->ready)
		pump_fini(&t->pump);
	if (conn_is_open(&t->channel)) {
		conn_resume(&t->channel);
		farewell_take(agent->farewells, &t->channel);
	}
	log_debug("transfer channel closed",
	    LOG_S("device", agent->config.name), LOG_S("reason", reason),
	    LOG_U("visits", taupe_stream_visit(&t->stream)));
	LIST_REMOVE(t, link);
	agent->n_transfers--;
	free(t);
	agent_check_stop(agent);
}

static void
transfer_close(struct transfer *t, const char *reason)
{
	uint8_t out[TAUPE_MESSAGE_MAX];
	size_t len;

	pump_recall(&t->pump);
	len = taupe_stream_close(&t->stream, out);
	send_message(t, out, len);
	transfer_free(t, reason);
}

/* A visit that is with the worker is none that has ended. */
static bool
is_idle(const struct transfer *t)
{
	return !t->pump.away && taupe_stream_is_idle(&t->stream);
}

/* After anything that may have ended the visit's last direction. False: t is gone. */
static bool
settle(struct transfer *t)
{
	if (!taupe_stream_is_idle(&t->stream) || t->origin != NULL)
		return true;
	end_visit(t, false, "done");
	if (!agent_session_is_over(t->agent, t->session))
		return true;
	transfer_close(t, "its session is over");
	return false;
}

static void
refuse_visit(struct transfer *t, const char *reason)
{
	uint8_t out[TAUPE_MESSAGE_MAX];

	visit_report_refusal(&t->visit, reason);
	send_message(t, out, taupe_stream_refused(&t->stream, reason, out));
	end_visit(t, true, reason);
	conn_resume(&t->channel);
	(void)settle(t);
}

/* Hand over what the visitor has sent so far. */
static void
release_early(struct transfer *t)
{
	bool ended = t->early_eof;
	struct buf *buf;

	t->pump.to_raw_bytes += t->early_bytes;
	while ((buf = STAILQ_FIRST(&t->early)) != NULL) {
		STAILQ_REMOVE_HEAD(&t->early, link);
		(void)conn_write_buf(&t->visit.service, &buf);
	}
	drop_early(t);
	if (ended)
		pump_end_raw(&t->pump);
	if (conn_queued(&t->visit.service) > 0)
		conn_pause(&t->channel);
	else
		conn_resume(&t->channel);
}

static void
service_dialled_cb(void *owner, const char *error)
{
	struct transfer *t = owner;

	if (error != NULL) {
		refuse_visit(t, error);
		return;
	}
	pump_join(&t->pump, &t->visit.service, NULL, 0);
	release_early(t);
}

static void
opened_cb(void *owner)
{
	struct transfer *t = owner;
	uint8_t out[TAUPE_MESSAGE_MAX];

	send_message(t, out, taupe_stream_opened(&t->stream, out));
}

/* Reset the visit at both ends. */
static void
fail_visit(struct transfer *t, const char *reason)
{
	uint8_t out[TAUPE_MESSAGE_MAX];

	send_message(t, out, taupe_stream_abort(&t->stream, out));
	end_visit(t, true, reason);
	(void)settle(t);
}

static void
cut_cb(void *owner, const char *reason)
{
	struct transfer *t = owner;

	if (t->pump.away)
		transfer_close(t, reason); /* it may be within a frame */
	else
		fail_visit(t, reason);
}

static const struct visit_ops transfer_visit_ops = {
    .dialled = service_dialled_cb,
    .opened = opened_cb,
    .cut = AGENT_HAS_TOOLS ? cut_cb : NULL,
};

/* A visit of a shared channel moves here. */
static void
move_in(struct transfer *t, const struct taupe_step *step)
{
	uint8_t out[TAUPE_MESSAGE_MAX];

	t->origin =
	    shared_move(t->agent, step->shared.ptr, step->stream, &t->visit, t);
	if (t->origin == NULL) {
		send_message(t, out,
		    taupe_stream_refused(
			&t->stream, "the visit stays where it is", out));
		return;
	}
	pump_join(&t->pump, &t->visit.service, NULL, 0);
	pump_hold(&t->pump, true);
}

static void
begin_visit(struct transfer *t, const struct taupe_step *step)
{
	const char *error;

	timer_clear(t->agent->loop, &t->timer);
	t->pump.to_raw_bytes = t->pump.to_channel_bytes = 0;
	if (step->shared.ptr != NULL)
		move_in(t, step);
	else if ((error = visit_begin(&t->visit, step)) != NULL)
		refuse_visit(t, error);
}

/* Must what the visitor sends wait? */
static bool
is_early(const struct transfer *t)
{
	return t->visit.dial != NULL || t->origin != NULL;
}

static void
keep_early(struct transfer *t, const struct taupe_step *step)
{
	struct buf *buf;

	if (!buf_list_append(&t->early, step->payload, step->payload_len)) {
		if ((buf = buf_get(step->payload_len)) == NULL) {
			refuse_visit(t, "no memory");
			return;
		}
		/* one step is within one read, and that is no longer than a buffer */
		assert(step->payload_len <= buf->capacity);
		memcpy(buf_data(buf), step->payload, step->payload_len);
		buf_add_span(buf, BUF_HEADROOM, (uint32_t)step->payload_len);
		STAILQ_INSERT_TAIL(&t->early, buf, link);
	}
	t->early_bytes += step->payload_len;
	if (t->early_bytes >= EARLY_MAX)
		conn_pause(&t->channel);
}

/* ---- the pump's questions ---- */

static enum pump_verdict
take_step(struct transfer *t, const struct taupe_step *step,
    struct pump_step *pump_step)
{
	switch (step->type) {
	case TAUPE_STEP_NONE:
	case TAUPE_STEP_READY:
	case TAUPE_STEP_CREDIT: /* of shared channels */
	case TAUPE_STEP_MOVED:
		break;
	case TAUPE_STEP_OPEN:
		begin_visit(t, step);
		break;
	case TAUPE_STEP_DATA:
		if (is_early(t)) {
			keep_early(t, step);
		} else {
			pump_step->payload = step->payload;
			pump_step->length = step->payload_len;
		}
		break;
	case TAUPE_STEP_EOF:
		if (is_early(t))
			t->early_eof = true;
		else
			pump_end_raw(&t->pump);
		return settle(t) ? PUMP_STEP : PUMP_GONE;
	case TAUPE_STEP_ABORT:
		end_visit(t, true, "reset by the visitor");
		return settle(t) ? PUMP_STEP : PUMP_GONE;
	case TAUPE_STEP_CLOSED:
		transfer_free(t, "closed by the relay");
		return PUMP_GONE;
	case TAUPE_STEP_FAILED:
		log_warn("transfer channel failed",
		    LOG_S("device", t->agent->config.name),
		    LOG_S("reason", step->reason));
		transfer_free(t, step->reason);
		return PUMP_GONE;
	}
	return PUMP_STEP;
}

static enum pump_verdict
decode_cb(void *owner, uint8_t *data, size_t len, struct pump_step *pump_step)
{
	struct transfer *t = owner;
	struct taupe_step step;

	if (conn_queued(&t->channel) > AGENT_UNREAD_MAX) {
		conn_abort(&t->channel);
		transfer_free(t, "the relay does not read what it is sent");
		return PUMP_GONE;
	}
	pump_step->consumed = taupe_stream_input(&t->stream, data, len, &step);
	send_message(t, step.output.bytes, step.output.len);
	return take_step(t, &step, pump_step);
}

static bool
may_leave_cb(void *owner)
{
	struct transfer *t = owner;

	return !is_early(t) && !timer_is_set(&t->visit.timer);
}

/* By the worker's thread, as encode_cb: nothing but the stream is touched. */
static bool
decode_payload_cb(
    void *owner, uint8_t *data, size_t len, struct pump_step *pump_step)
{
	struct transfer *t = owner;
	struct taupe_step step;

	if (!taupe_stream_is_at_payload(&t->stream, data, len))
		return false;
	pump_step->consumed = taupe_stream_input(&t->stream, data, len, &step);
	if (step.type == TAUPE_STEP_DATA) {
		pump_step->payload = step.payload;
		pump_step->length = step.payload_len;
	}
	return true;
}

static size_t
encode_cb(void *owner, uint8_t *payload, size_t len)
{
	struct transfer *t = owner;
	uint8_t header[TAUPE_HEADER_MAX], mask[4];
	size_t header_len = taupe_stream_frame(&t->stream, len, header, mask);

	/* the pump is left whenever our direction ends */
	assert(header_len > 0);
	if (!t->pump.away) /* else it was answered before it went */
		visit_answered(&t->visit);
	taupe_mask(payload, len, mask, 0);
	memcpy(payload - header_len, header, header_len);
	return header_len;
}

static void
raw_eof_cb(void *owner)
{
	struct transfer *t = owner;
	uint8_t out[TAUPE_MESSAGE_MAX];

	send_message(t, out, taupe_stream_eof(&t->stream, out));
	(void)settle(t);
}

static void
raw_failed_cb(void *owner)
{
	fail_visit(owner, "reset by the service");
}

static void
channel_ended_cb(void *owner, enum pump_end end)
{
	struct transfer *t = owner;

	conn_fini(&t->channel);
	transfer_free(t,
	    end == PUMP_EOF ? "the relay ended the connection"
			    : "connection reset");
}

static const struct pump_ops channel_pump_ops = {
    .decode = decode_cb,
    .encode = encode_cb,
    .raw_eof = raw_eof_cb,
    .raw_failed = raw_failed_cb,
    .channel_ended = channel_ended_cb,
    .may_leave = may_leave_cb,
    .decode_payload = decode_payload_cb,
};

/* ---- a visit's way here from a shared channel ---- */

void
transfer_go_on(struct transfer *t, uint64_t bytes_in)
{
	t->origin = NULL;
	t->visit.bytes_in += bytes_in;
	pump_hold(&t->pump, false);
	release_early(t);
	(void)settle(t);
}

void
transfer_lose_origin(struct transfer *t)
{
	t->origin = NULL;
	pump_hold(&t->pump, false);
	fail_visit(t, "its shared channel was lost");
}

/* ---- its life ---- */

static void
ready_cb(void *owner, const uint8_t *rest, size_t len)
{
	struct transfer *t = owner;

	/* it may belong to a session that is over by the time its visitor has come */
	timer_set(t->agent->loop, &t->timer,
	    (uint64_t)t->agent->settings->options.connect_timeout_ms);
	t->ready = true;
	taupe_stream_set_buffer(&t->stream, t->message, sizeof(t->message));
	dig_free(&t->dig);
	pump_init(&t->pump, &t->channel, &channel_pump_ops, t);
	pump_use_worker(&t->pump, t->agent->worker);
	if (len > 0)
		(void)pump_feed(&t->pump, rest, len);
}

static void
timer_cb(void *ctx)
{
	(void)settle(ctx);
}

static const uint8_t *
request_cb(void *owner, size_t *len)
{
	const struct transfer *t = owner;

	return taupe_stream_request(&t->stream, len);
}

static size_t
input_cb(void *owner, uint8_t *data, size_t len, struct taupe_step *step)
{
	struct transfer *t = owner;

	return taupe_stream_input(&t->stream, data, len, step);
}

static void
failed_cb(void *owner, const char *reason)
{
	transfer_free(owner, reason);
}

static const struct dig_ops transfer_dig_ops = {
    .request = request_cb,
    .input = input_cb,
    .ready = ready_cb,
    .failed = failed_cb,
};

/* NULL, or why it cannot be done. */
static const char *
dig_out(struct transfer *t, const struct taupe_relay *relay, const char *id)
{
	const char *error =
	    dig_new(&t->dig, t->agent, &t->channel, &transfer_dig_ops, t);
	uint8_t *buffer;
	size_t size;

	if (error != NULL)
		return error;
	buffer = dig_buffer(t->dig, &size);
	if (!taupe_stream_init(
		&t->stream, &t->agent->config, relay, id, buffer, size))
		return "the request is too long";
	return dig_start(t->dig, relay);
}

/* ---- the doors ---- */

const char *
transfer_dig(struct agent *agent, const struct taupe_relay *relay,
    const char *id, uint64_t session)
{
	struct transfer *t = calloc(1, sizeof(*t));
	const char *error;

	if (t == NULL)
		return "no memory";
	t->agent = agent;
	t->session = session;
	t->channel = (struct conn)CONN_CLOSED;
	STAILQ_INIT(&t->early);
	visit_init(&t->visit, agent, &transfer_visit_ops, t);
	timer_init(&t->timer, timer_cb, t);
	if ((error = dig_out(t, relay, id)) != NULL) {
		dig_free(&t->dig);
		free(t);
		return error;
	}
	LIST_INSERT_HEAD(&agent->transfers, t, link);
	agent->n_transfers++;
	return NULL;
}

void
transfers_close_stale(struct agent *agent)
{
	struct transfer *t, *next;

	for (t = LIST_FIRST(&agent->transfers); t != NULL; t = next) {
		next = LIST_NEXT(t, link);
		/* a young one was dug for a visitor who may still come */
		if (is_idle(t) && !timer_is_set(&t->timer) &&
		    agent_session_is_over(agent, t->session))
			transfer_close(t, "its session is over");
	}
}

void
transfers_close(struct agent *agent, bool running_too)
{
	struct transfer *t, *next;

	for (t = LIST_FIRST(&agent->transfers); t != NULL; t = next) {
		next = LIST_NEXT(t, link);
		if (running_too || is_idle(t))
			transfer_close(t, "the agent stops");
	}
}
