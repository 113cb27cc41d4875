/* SPDX-License-Identifier: MIT */
/*
 * Every request head that comes is answered, whatever it asks for: requests have no body
 * here. The channel serves visit after visit, and ends when the relay ends it.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet/visit.h"

#define HANDSHAKE_MS 10000
#define READ_BYTES 4096

struct visit {
	LIST_ENTRY(visit) link; /* in fleet->visits */
	struct fleet_agent *agent;
	struct conn conn;
	struct timer timer; /* of the handshake */
	unsigned matched;   /* characters of the end of a head, so far */
	struct taupe_stream stream;
	uint8_t buffer[TAUPE_BUFFER_MIN * 2];
};

static void
visit_free(struct visit *visit)
{
	timer_clear(visit->agent->fleet->loop, &visit->timer);
	conn_fini(&visit->conn);
	LIST_REMOVE(visit, link);
	free(visit);
}

void
visits_free(struct fleet *fleet)
{
	while (LIST_FIRST(&fleet->visits) != NULL)
		visit_free(LIST_FIRST(&fleet->visits));
}

static void
timeout_cb(void *ctx)
{
	visit_free(ctx);
}

/* How many requests end in these bytes. */
static unsigned
count_heads(struct visit *visit, const uint8_t *data, size_t len)
{
	static const char end[] = "\r\n\r\n";
	unsigned heads = 0;

	for (size_t i = 0; i < len; i++) {
		if (data[i] == (uint8_t)end[visit->matched])
			visit->matched++;
		else
			visit->matched = data[i] == '\r' ? 1 : 0;
		if (end[visit->matched] == '\0') {
			visit->matched = 0;
			heads++;
		}
	}
	return heads;
}

static void
answer(struct visit *visit)
{
	uint8_t frame[TAUPE_HEADER_MAX + 256], text[256], mask[4];
	const char *name = visit->agent->name;
	size_t len, header;

	len = (size_t)snprintf((char *)text, sizeof(text),
	    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
	    "Content-Length: %zu\r\n\r\n%s",
	    strlen(name), name);
	header = taupe_stream_frame(&visit->stream, len, frame, mask);
	if (header == 0)
		return;
	taupe_mask(text, len, mask, 0);
	memcpy(frame + header, text, len);
	(void)conn_write(&visit->conn, frame, header + len);
	visit->agent->fleet->counts.visits++;
}

/* False: the visit is gone. */
static bool
take_step(struct visit *visit, const struct taupe_step *step)
{
	uint8_t out[TAUPE_MESSAGE_MAX];
	unsigned heads;

	switch (step->type) {
	case TAUPE_STEP_READY:
		timer_clear(visit->agent->fleet->loop, &visit->timer);
		break;
	case TAUPE_STEP_OPEN:
		visit->matched = 0;
		(void)conn_write(&visit->conn, out,
		    taupe_stream_opened(&visit->stream, out));
		break;
	case TAUPE_STEP_DATA:
		for (heads =
			 count_heads(visit, step->payload, step->payload_len);
		     heads > 0; heads--)
			answer(visit);
		break;
	case TAUPE_STEP_EOF:
		(void)conn_write(
		    &visit->conn, out, taupe_stream_eof(&visit->stream, out));
		break;
	case TAUPE_STEP_CLOSED:
	case TAUPE_STEP_FAILED:
		visit_free(visit);
		return false;
	case TAUPE_STEP_ABORT:
	case TAUPE_STEP_CREDIT: /* of shared channels */
	case TAUPE_STEP_MOVED:
	case TAUPE_STEP_NONE:
		break;
	}
	return true;
}

static void
readable_cb(struct conn *conn)
{
	struct visit *visit = conn->owner;
	uint8_t data[READ_BYTES], *at = data;
	ssize_t got = conn_read(conn, data, sizeof(data));
	struct taupe_step step;

	if (got == CONN_AGAIN)
		return;
	if (got <= 0) {
		visit_free(visit);
		return;
	}
	while (got > 0) {
		size_t done =
		    taupe_stream_input(&visit->stream, at, (size_t)got, &step);

		(void)conn_write(conn, step.output.bytes, step.output.len);
		if (!take_step(visit, &step))
			return;
		at += done;
		got -= (ssize_t)done;
	}
}

static void
broken_cb(struct conn *conn)
{
	visit_free(conn->owner);
}

static void
connected_cb(struct conn *conn, const char *error)
{
	struct visit *visit = conn->owner;
	const uint8_t *request;
	size_t len;

	if (error != NULL) {
		visit_free(visit);
		return;
	}
	request = taupe_stream_request(&visit->stream, &len);
	(void)conn_write(conn, request, len);
}

static const struct conn_ops visit_conn_ops = {
    .connected_cb = connected_cb,
    .readable_cb = readable_cb,
    .broken_cb = broken_cb,
};

const char *
visit_dig(
    struct fleet_agent *agent, const struct taupe_relay *relay, const char *id)
{
	struct visit *visit = calloc(1, sizeof(*visit));

	if (visit == NULL)
		return "no memory";
	visit->agent = agent;
	if (!taupe_stream_init(&visit->stream, &agent->config, relay, id,
		visit->buffer, sizeof(visit->buffer)) ||
	    agent_dial(agent, &visit->conn, relay, &visit_conn_ops, visit) !=
		0) {
		free(visit);
		return "no connection to the relay";
	}
	LIST_INSERT_HEAD(&agent->fleet->visits, visit, link);
	timer_init(&visit->timer, timeout_cb, visit);
	timer_set(agent->fleet->loop, &visit->timer, HANDSHAKE_MS);
	return NULL;
}
