/* SPDX-License-Identifier: MIT */
/*
 * A transfer channel. While a service is being dialled, what the visitor sends is kept
 * here, up to a limit, and the channel is not read beyond it; once the service is there,
 * the pump has both sides and nothing is kept. A service that is gone while bytes for it
 * are still queued is written out by the farewells.
 */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agent/control.h"
#include "agent/transfer.h"
#include "base/log.h"
#include "net/crypto.h"
#include "net/pump.h"

#define MESSAGE_BYTES 704 /* of a visit's longest control message */
#define READ_BYTES 4096
#define EARLY_MAX BUF_LARGE /* of a visitor's bytes that wait for the service */
#define OPENED_DELAY_MS 100 /* the service's first bytes may say it before */

struct transfer {
	LIST_ENTRY(transfer) link; /* in agent->transfers */
	struct agent *agent;
	struct dial *dial; /* of the relay, later of the service; or NULL */
	struct timer
	    timer; /* of the handshake, of the first visit, of "opened" */
	struct conn channel;
	struct conn service;   /* of the visit at hand */
	struct pump pump;      /* from TAUPE_STEP_READY on */
	struct buf_list early; /* what waits for the service */
	size_t early_bytes;
	uint64_t session;   /* for which it was dug */
	uint64_t opened_ms; /* when the visit began */
	char service_name[SERVICE_NAME_MAX + 1];
	char from[ADDRESS_TEXT_MAX];
	bool ready;
	bool visiting;	       /* a visit is there, for us */
	bool early_eof;	       /* the visitor's end waits as well */
	struct buf *handshake; /* the stream's buffer until it is ready */
	struct taupe_stream stream;
	uint8_t message[MESSAGE_BYTES]; /* and from then on */
};

static const struct pump_ops channel_pump_ops;

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

static void
log_visit_end(struct transfer *t, const char *reason)
{
	log_debug("visit ended", LOG_S("device", t->agent->config.name),
	    LOG_S("service", t->service_name), LOG_S("from", t->from),
	    LOG_S("reason", reason), LOG_U("bytes_in", t->pump.to_raw_bytes),
	    LOG_U("bytes_out", t->pump.to_channel_bytes),
	    LOG_U("ms", loop_now_ms(t->agent->loop) - t->opened_ms));
}

/* Part from the service, gently or with a reset. */
static void
end_visit(struct transfer *t, bool reset, const char *reason)
{
	if (!t->visiting)
		return;
	t->visiting = false;
	log_visit_end(t, reason);
	dial_cancel(&t->dial);
	timer_clear(t->agent->loop, &t->timer);
	drop_early(t);
	if (t->pump.raw != NULL)
		pump_leave(&t->pump);
	if (!conn_is_open(&t->service))
		return;
	if (reset)
		conn_abort(&t->service);
	else
		farewell_take(t->agent->farewells, &t->service);
}

static void
free_unlisted(struct transfer *t)
{
	buf_put(&t->handshake);
	free(t);
}

static void
transfer_free(struct transfer *t, const char *reason)
{
	struct agent *agent = t->agent;

	end_visit(t, true, reason);
	dial_cancel(&t->dial);
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
	free_unlisted(t);
	agent_check_stop(agent);
}

static void
transfer_close(struct transfer *t, const char *reason)
{
	uint8_t out[TAUPE_MESSAGE_MAX];
	size_t len = taupe_stream_close(&t->stream, out);

	send_message(t, out, len);
	transfer_free(t, reason);
}

/* Is the session gone that this channel was dug for? Then no visitor comes to it. */
static bool
is_stale(const struct transfer *t)
{
	return t->agent->stopping ||
	    t->session != control_session(t->agent->control);
}

/* After anything that may have ended the visit's last direction. False: t is gone. */
static bool
settle(struct transfer *t)
{
	if (!taupe_stream_is_idle(&t->stream))
		return true;
	end_visit(t, false, "done");
	if (!is_stale(t))
		return true;
	transfer_close(t, "its session is over");
	return false;
}

static void
refuse_visit(struct transfer *t, const char *reason)
{
	uint8_t out[TAUPE_MESSAGE_MAX];

	log_warn("service does not answer",
	    LOG_S("device", t->agent->config.name),
	    LOG_S("service", t->service_name), LOG_S("from", t->from),
	    LOG_S("reason", reason));
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
		(void)conn_write_buf(&t->service, &buf);
	}
	drop_early(t);
	if (ended)
		pump_end_raw(&t->pump);
	if (conn_queued(&t->service) > 0)
		conn_pause(&t->channel);
	else
		conn_resume(&t->channel);
}

static void
service_dialled_cb(void *ctx, const char *error)
{
	struct transfer *t = ctx;

	t->dial = NULL;
	if (error != NULL) {
		refuse_visit(t, error);
		return;
	}
	timer_set(t->agent->loop, &t->timer, OPENED_DELAY_MS);
	pump_join(&t->pump, &t->service, NULL, 0);
	release_early(t);
}

static void
begin_visit(struct transfer *t, const struct taupe_step *step)
{
	const struct settings *settings = t->agent->settings;
	const struct target *target = &settings->targets[step->service];

	t->visiting = true;
	timer_clear(t->agent->loop, &t->timer);
	t->opened_ms = loop_now_ms(t->agent->loop);
	t->pump.to_raw_bytes = t->pump.to_channel_bytes = 0;
	memcpy(t->service_name, target->name, sizeof(t->service_name));
	(void)str_copy((struct str){step->from.ptr, step->from.len}, t->from,
	    sizeof(t->from));
	log_debug("visit began", LOG_S("device", t->agent->config.name),
	    LOG_S("service", t->service_name), LOG_S("from", t->from));
	t->dial = dial_start(t->agent->dialler, &t->service, target->host,
	    target->port, NULL, (uint64_t)settings->options.service_timeout_ms,
	    service_dialled_cb, t);
}

static void
keep_early(struct transfer *t, const struct taupe_step *step)
{
	struct buf *buf = buf_get(
	    step->payload_len < BUF_LARGE ? step->payload_len : BUF_LARGE);

	if (buf == NULL) {
		refuse_visit(t, "no memory");
		return;
	}
	/* one step is within one read, and that is no longer than a buffer */
	assert(step->payload_len <= buf->capacity);
	memcpy(buf_data(buf), step->payload, step->payload_len);
	buf_add_span(buf, BUF_HEADROOM, (uint32_t)step->payload_len);
	STAILQ_INSERT_TAIL(&t->early, buf, link);
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
		if (t->dial == NULL)
			refuse_visit(t, "no memory");
		break;
	case TAUPE_STEP_DATA:
		if (t->dial != NULL) {
			keep_early(t, step);
		} else {
			pump_step->payload = step->payload;
			pump_step->length = step->payload_len;
		}
		break;
	case TAUPE_STEP_EOF:
		if (t->dial != NULL)
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

	pump_step->consumed = taupe_stream_input(&t->stream, data, len, &step);
	send_message(t, step.output.bytes, step.output.len);
	return take_step(t, &step, pump_step);
}

static size_t
encode_cb(void *owner, uint8_t *payload, size_t len)
{
	struct transfer *t = owner;
	uint8_t header[TAUPE_HEADER_MAX], mask[4];
	size_t header_len = taupe_stream_frame(&t->stream, len, header, mask);

	/* the pump is left whenever our direction ends */
	assert(header_len > 0);
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
	struct transfer *t = owner;
	uint8_t out[TAUPE_MESSAGE_MAX];

	send_message(t, out, taupe_stream_abort(&t->stream, out));
	end_visit(t, true, "reset by the service");
	(void)settle(t);
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
};

/* ---- the handshake ---- */

static void
become_ready(struct transfer *t, const uint8_t *rest, size_t len)
{
	/* it may belong to a session that is over by the time its visitor has come */
	timer_set(t->agent->loop, &t->timer,
	    (uint64_t)t->agent->settings->options.connect_timeout_ms);
	t->ready = true;
	taupe_stream_set_buffer(&t->stream, t->message, sizeof(t->message));
	buf_put(&t->handshake);
	conn_keep_alive(&t->channel);
	log_debug(
	    "transfer channel opened", LOG_S("device", t->agent->config.name));
	pump_init(&t->pump, &t->channel, &channel_pump_ops, t);
	if (len > 0)
		(void)pump_feed(&t->pump, rest, len);
}

static void
handshake_readable_cb(struct conn *conn)
{
	struct transfer *t = conn->owner;
	uint8_t data[READ_BYTES];
	ssize_t got = conn_read(conn, data, sizeof(data));
	struct taupe_step step;
	size_t done;

	if (got == CONN_AGAIN)
		return;
	if (got <= 0) {
		conn_fini(conn);
		transfer_free(t, "the relay ended the handshake");
		return;
	}
	done = taupe_stream_input(&t->stream, data, (size_t)got, &step);
	if (step.type == TAUPE_STEP_READY) {
		become_ready(t, data + done, (size_t)got - done);
	} else if (step.type == TAUPE_STEP_FAILED) {
		if (step.code == 404)
			log_debug("visitor has gone",
			    LOG_S("device", t->agent->config.name));
		else
			log_warn("relay refused a transfer channel",
			    LOG_S("device", t->agent->config.name),
			    LOG_U("status", step.code),
			    LOG_S("reason", step.reason));
		transfer_free(t, step.reason);
	}
}

static void
handshake_broken_cb(struct conn *conn)
{
	struct transfer *t = conn->owner;

	conn_fini(conn);
	transfer_free(t, "writing failed");
}

static const struct conn_ops handshake_conn_ops = {
    .readable_cb = handshake_readable_cb,
    .broken_cb = handshake_broken_cb,
};

static void
relay_dialled_cb(void *ctx, const char *error)
{
	struct transfer *t = ctx;
	const uint8_t *request;
	size_t len;

	t->dial = NULL;
	if (error != NULL) {
		log_warn("transfer channel cannot be made",
		    LOG_S("device", t->agent->config.name),
		    LOG_S("reason", error));
		transfer_free(t, error);
		return;
	}
	conn_set_owner(&t->channel, &handshake_conn_ops, t);
	conn_resume(&t->channel);
	request = taupe_stream_request(&t->stream, &len);
	(void)conn_write(&t->channel, request, len);
	timer_set(t->agent->loop, &t->timer,
	    (uint64_t)t->agent->settings->options.connect_timeout_ms);
}

static void
timer_cb(void *ctx)
{
	struct transfer *t = ctx;
	uint8_t out[TAUPE_MESSAGE_MAX];

	if (t->ready) {
		send_message(t, out, taupe_stream_opened(&t->stream, out));
		(void)settle(t);
		return;
	}
	log_warn("relay did not answer a transfer channel in time",
	    LOG_S("device", t->agent->config.name));
	conn_fini(&t->channel);
	transfer_free(t, "no answer in time");
}

/* ---- the doors ---- */

const char *
transfer_dig(struct agent *agent, const struct taupe_relay *relay,
    const char *id, uint64_t session)
{
	const struct settings *settings = agent->settings;
	struct tls_context *const *tls = NULL;
	struct transfer *t;

	if (relay->secure && (tls = agent_tls(agent)) == NULL)
		return "no TLS";
	if (agent->n_transfers >= (size_t)settings->options.max_transfers)
		return "too many transfer channels";
	if ((t = calloc(1, sizeof(*t))) == NULL)
		return "no memory";
	t->agent = agent;
	t->session = session;
	t->channel = t->service = (struct conn)CONN_CLOSED;
	STAILQ_INIT(&t->early);
	timer_init(&t->timer, timer_cb, t);
	if ((t->handshake = buf_get(BUF_SMALL)) == NULL) {
		free(t);
		return "no memory";
	}
	if (!taupe_stream_init(&t->stream, &agent->config, relay, id,
		buf_data(t->handshake), t->handshake->capacity)) {
		free_unlisted(t);
		return "the request is too long";
	}
	t->dial = dial_start(agent->dialler, &t->channel, relay->host,
	    relay->port, tls, (uint64_t)settings->options.connect_timeout_ms,
	    relay_dialled_cb, t);
	if (t->dial == NULL) {
		free_unlisted(t);
		return "no memory";
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
		if (taupe_stream_is_idle(&t->stream) &&
		    !timer_is_set(&t->timer) && is_stale(t))
			transfer_close(t, "its session is over");
	}
}

void
transfers_close(struct agent *agent, bool running_too)
{
	struct transfer *t, *next;

	for (t = LIST_FIRST(&agent->transfers); t != NULL; t = next) {
		next = LIST_NEXT(t, link);
		if (running_too || taupe_stream_is_idle(&t->stream))
			transfer_close(t, "the agent stops");
	}
}
