/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdlib.h>

#include "agent/dig.h"
#include "base/log.h"

#define READ_BYTES 4096

struct dig {
	struct agent *agent;
	struct conn *channel;
	const struct dig_ops *ops;
	void *owner;
	struct dial *dial;
	struct timer timer; /* of the answer */
	struct buf *buffer;
};

static void
failed(struct dig *dig, const char *reason)
{
	conn_fini(dig->channel);
	dig->ops->failed(dig->owner, reason);
}

static void
report_refusal(const struct dig *dig, const struct taupe_step *step)
{
	if (step->code == 404)
		log_debug("visitor has gone",
		    LOG_S("device", dig->agent->config.name));
	else
		log_warn("relay refused a transfer channel",
		    LOG_S("device", dig->agent->config.name),
		    LOG_U("status", step->code), LOG_S("reason", step->reason));
}

static void
readable_cb(struct conn *conn)
{
	struct dig *dig = conn->owner;
	uint8_t data[READ_BYTES];
	ssize_t got = conn_read(conn, data, sizeof(data));
	struct taupe_step step;
	size_t done;

	if (got == CONN_AGAIN)
		return;
	if (got <= 0) {
		failed(dig, "the relay ended the handshake");
		return;
	}
	done = dig->ops->input(dig->owner, data, (size_t)got, &step);
	if (step.type == TAUPE_STEP_READY) {
		conn_keep_alive(conn);
		conn_bound_unsent(conn, CONN_UNSENT_BYTES);
		log_debug("transfer channel opened",
		    LOG_S("device", dig->agent->config.name));
		dig->ops->ready(dig->owner, data + done, (size_t)got - done);
	} else if (step.type == TAUPE_STEP_FAILED) {
		report_refusal(dig, &step);
		failed(dig, step.reason);
	}
}

static void
broken_cb(struct conn *conn)
{
	failed(conn->owner, "writing failed");
}

static const struct conn_ops dig_conn_ops = {
    .readable_cb = readable_cb,
    .broken_cb = broken_cb,
};

static void
wait_for_answer(struct dig *dig)
{
	timer_set(dig->agent->loop, &dig->timer,
	    (uint64_t)dig->agent->settings->options.connect_timeout_ms);
}

static void
dialled_cb(void *ctx, const char *error)
{
	struct dig *dig = ctx;
	const uint8_t *request;
	size_t len;

	dig->dial = NULL;
	if (error != NULL) {
		log_warn("transfer channel cannot be made",
		    LOG_S("device", dig->agent->config.name),
		    LOG_S("reason", error));
		failed(dig, error);
		return;
	}
	conn_set_owner(dig->channel, &dig_conn_ops, dig);
	conn_resume(dig->channel);
	request = dig->ops->request(dig->owner, &len);
	(void)conn_write(dig->channel, request, len);
	wait_for_answer(dig);
}

static void
timer_cb(void *ctx)
{
	struct dig *dig = ctx;

	log_warn("relay did not answer a transfer channel in time",
	    LOG_S("device", dig->agent->config.name));
	failed(dig, "no answer in time");
}

const char *
dig_new(struct dig **dig, struct agent *agent, struct conn *channel,
    const struct dig_ops *ops, void *owner)
{
	struct dig *d;

	if (agent->n_transfers >=
	    (size_t)agent->settings->options.max_transfers)
		return "too many transfer channels";
	if ((d = calloc(1, sizeof(*d))) == NULL)
		return "no memory";
	if ((d->buffer = buf_get(BUF_SMALL)) == NULL) {
		free(d);
		return "no memory";
	}
	d->agent = agent;
	d->channel = channel;
	d->ops = ops;
	d->owner = owner;
	timer_init(&d->timer, timer_cb, d);
	*dig = d;
	return NULL;
}

uint8_t *
dig_buffer(struct dig *dig, size_t *size)
{
	*size = dig->buffer->capacity;
	return buf_data(dig->buffer);
}

const char *
dig_start(struct dig *dig, const struct taupe_relay *relay)
{
	struct agent *agent = dig->agent;
	struct dial_to to;

	if (!agent_way(agent, relay, &to))
		return "no TLS";
	dig->dial = dial_start(agent->dialler, dig->channel, &to,
	    (uint64_t)agent->settings->options.connect_timeout_ms, dialled_cb,
	    dig);
	return dig->dial != NULL ? NULL : "no memory";
}

void
dig_free(struct dig **dig)
{
	struct dig *d = *dig;

	if (d == NULL)
		return;
	dial_cancel(&d->dial);
	timer_clear(d->agent->loop, &d->timer);
	buf_put(&d->buffer);
	free(d);
	*dig = NULL;
}
