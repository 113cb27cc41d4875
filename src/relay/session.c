/* SPDX-License-Identifier: MIT */
/*
 * A session has no timer of its own: its device looks, when it is due, at when the agent was
 * last heard.
 */
#include "config.h"

#include <stdlib.h>

#include "base/log.h"
#include "relay/dig.h"
#include "relay/events.h"
#include "relay/limits.h"
#include "relay/ride.h"
#include "relay/service.h"
#include "relay/rotation.h"
#include "relay/session.h"
#include "relay/transfer.h"
#include "relay/warm.h"
#include "relay/ws_gather.h"
#include "relay/ws_send.h"

#define MISSED_INTERVALS 3
/* A chosen interval may be long, and three of them too long to be wrong for: after this part of one
 * more, or this time if that is longer, the relay asks. */
#define LATE_PART 4
#define LATE_MS 10000

static const struct conn_ops session_conn_ops;

static void
free_session(struct session *session)
{
	struct relay *relay = session->device->relay;

	free(session->text);
	free(session->tally);
	grant_drop(&session->grant);
	free(session->reader.room);
	relay->n_moving -= session->device->asked_to_move;
	session->device->asked_to_move = false;
	relay->n_sessions--;
	relay->self.agents--;
	free(session);
}

/* Everybody who asked gets the answer; a callback may ask other sessions, not this one. */
static void
answer_probes(struct session *session, bool alive)
{
	struct probe *probe;

	session->probed_ms = 0;
	while ((probe = LIST_FIRST(&session->probes)) != NULL) {
		probe_cancel(probe);
		probe->cb(probe->ctx, alive);
	}
}

static unsigned
close_code(enum close_reason reason)
{
	switch (reason) {
	case CLOSE_PEER:
	case CLOSE_DONE:
		return WS_CLOSE_NORMAL;
	case CLOSE_BAD_FRAME:
	case CLOSE_BAD_MESSAGE:
		return WS_CLOSE_PROTOCOL_ERROR;
	case CLOSE_TAKEN_OVER:
	case CLOSE_REVOKED:
		return WS_CLOSE_POLICY;
	case CLOSE_SHUTDOWN:
		return WS_CLOSE_GOING_AWAY;
	default:
		return WS_CLOSE_TRY_AGAIN;
	}
}

static const char *
close_text(enum close_reason reason)
{
	switch (reason) {
	case CLOSE_TAKEN_OVER:
		return "taken over";
	case CLOSE_KICKED:
		return "ended by the operator";
	case CLOSE_REVOKED:
		return "revoked";
	default:
		return close_reason_name(reason);
	}
}

static void
end_connection(struct session *session, enum close_reason reason, unsigned code,
    const char *text)
{
	if (reason == CLOSE_RESET || reason == CLOSE_IO_ERROR ||
	    reason == CLOSE_TIMEOUT) {
		conn_abort(&session->conn);
		return;
	}
	if (code != 0)
		ws_send_close(&session->conn, code, text);
	farewell_take(session->device->relay->farewells, &session->conn);
}

void
session_count(struct session *session, uint64_t visits, uint64_t bytes_in,
    uint64_t bytes_out)
{
	if (session->tally == NULL)
		session->tally = calloc(1, sizeof(*session->tally));
	if (session->tally == NULL)
		return; /* a gap in a statistic */
	session->tally->visits += visits;
	session->tally->bytes_in += bytes_in;
	session->tally->bytes_out += bytes_out;
}

static void
tell_end(
    const struct session *session, enum close_reason reason, const char *text)
{
	const struct grant *grant = session->grant;
	uint64_t now_ms = loop_wall_ms();
	struct session_tally tally = {0};

	if (session->tally != NULL)
		tally = *session->tally;
	event_emit(session->device->relay, EVENT_DISCONNECT,
	    session->device->name, LOG_U("epoch", grant->epoch),
	    LOG_S("reason", close_reason_name(reason)), LOG_S("detail", text),
	    LOG_S("from", grant_from(grant)),
	    LOG_U("seconds",
		now_ms > grant->since_ms ? (now_ms - grant->since_ms) / 1000
					 : 0),
	    LOG_U("visits", tally.visits), LOG_U("bytes_in", tally.bytes_in),
	    LOG_U("bytes_out", tally.bytes_out));
}

void
session_end(struct session *session, enum close_reason reason, unsigned code,
    const char *text)
{
	struct device *device = session->device;
	struct relay *relay = device->relay;
	bool current = device->session == session;

	log_info("session closed", LOG_S("device", device->name),
	    LOG_U("epoch", session->grant->epoch),
	    LOG_S("reason", close_reason_name(reason)), LOG_S("detail", text));
	tell_end(session, reason, text);
	relay->counters.sessions_closed++;
	relay->counters.closed[reason]++;
	if (current)
		device->session = NULL;
	/* who has a newer session lets what runs on this one come to its end */
	if (!ride_end(session, reason == CLOSE_TAKEN_OVER))
		end_connection(session, reason, code, text);
	if (current) {
		/* who is dead answers for nothing; after an orderly end visits go on */
		device_close_channels(
		    device, reason == CLOSE_TIMEOUT || reason == CLOSE_REVOKED);
		device_offline(device);
	}
	answer_probes(session, false);
	free_session(session);
}

void
session_close(struct session *session, enum close_reason reason)
{
	session_end(session, reason, close_code(reason), close_text(reason));
}

/* The interval that the agent has chosen, which stands with the grant: a relay has many sessions. 0:
 * none. */
static uint64_t
chosen_ms(const struct session *session)
{
	return session->device->grant->heartbeat_ms;
}

static uint64_t
dead_ms(const struct session *session)
{
	uint64_t interval_ms = chosen_ms(session);

	if (interval_ms == 0)
		interval_ms =
		    (uint64_t)session->device->relay->options.heartbeat_ms;
	return session->heard_ms + MISSED_INTERVALS * interval_ms;
}

static uint64_t
late_ms(const struct session *session)
{
	uint64_t grace_ms = chosen_ms(session) / LATE_PART;

	return session->heard_ms + chosen_ms(session) +
	    (grace_ms > LATE_MS ? grace_ms : LATE_MS);
}

uint64_t
session_due_ms(const struct session *session)
{
	const struct relay_options *options = &session->device->relay->options;
	uint64_t due = dead_ms(session), next;

	if (session->probed_ms != 0)
		next = session->probed_ms + (uint64_t)options->probe_timeout_ms;
	else if (chosen_ms(session) != 0)
		next = late_ms(session);
	else
		return due;
	return next < due ? next : due;
}

bool
session_tend(struct session *session)
{
	uint64_t now_ms = loop_now_ms(session->device->relay->loop);

	if (session_due_ms(session) > now_ms)
		return false;
	if (session->probed_ms == 0 && dead_ms(session) > now_ms) {
		session_probe(session, NULL);
		return false;
	}
	session_close(session, CLOSE_TIMEOUT);
	return true;
}

void
session_probe(struct session *session, struct probe *probe)
{
	if (probe != NULL)
		LIST_INSERT_HEAD(&session->probes, probe, link);
	if (session->probed_ms != 0)
		return;
	session->device->relay->counters.probes++;
	session->probed_ms = loop_now_ms(session->device->relay->loop);
	ws_send_ping(&session->conn);
	device_retime(session->device);
}

void
probe_cancel(struct probe *probe)
{
	if (probe->link.le_prev == NULL)
		return;
	LIST_REMOVE(probe, link);
	probe->link.le_prev = NULL;
}

void
session_heard(struct session *session)
{
	session->heard_ms = loop_now_ms(session->device->relay->loop);
	if (session->probed_ms != 0)
		answer_probes(session, true);
}

/* The bounds of what an agent may choose. */

static uint64_t
heartbeat_least(const struct relay_options *options)
{
	return (uint64_t)(options->heartbeat_min_ms < options->heartbeat_ms
		? options->heartbeat_min_ms
		: options->heartbeat_ms);
}

static uint64_t
heartbeat_most(const struct relay_options *options)
{
	return (uint64_t)(options->heartbeat_max_ms > options->heartbeat_ms
		? options->heartbeat_max_ms
		: options->heartbeat_ms);
}

/* The agent has chosen an interval. */
static void
take_heartbeat(struct session *session, const struct control_msg *msg)
{
	struct device *device = session->device;
	uint64_t ms = msg->heartbeat_ms;

	if (ms < heartbeat_least(&device->relay->options))
		ms = heartbeat_least(&device->relay->options);
	if (ms > heartbeat_most(&device->relay->options))
		ms = heartbeat_most(&device->relay->options);
	if (device->session != session)
		return; /* it is being replaced */
	if (grant_set_heartbeat(device->grant, (uint32_t)ms, msg->beat_bytes,
		msg->budget_bytes))
		device_hold_soon(device);
}

void
session_take_message(struct session *session, const struct control_msg *msg)
{
	if (msg->op == CONTROL_REFUSED && msg->id.ptr != NULL)
		dig_refused(session->device, msg->id, msg->reason);
	else if (msg->op == CONTROL_SECRET &&
	    session->device->session == session)
		rotation_take(session->device, msg);
	else if (msg->op == CONTROL_HEARTBEAT)
		take_heartbeat(session, msg);
	else if (msg->op == CONTROL_HEALTH &&
	    session->device->session == session)
		services_take_health(
		    session->device, msg->service, msg->error.ptr != NULL);
	/* whatever else an agent says here is of a later version */
}

/* -1: the session is gone. */
static int
take_message(struct session *session, char *text, size_t len)
{
	struct control_msg msg;
	const char *error = NULL;

	if (control_msg_decode(text, len, &msg, &error) != WIRE_DONE) {
		log_warn("malformed control message",
		    LOG_S("device", session->device->name),
		    LOG_S("error", error));
		session_end(
		    session, CLOSE_BAD_MESSAGE, WS_CLOSE_PROTOCOL_ERROR, error);
		return -1;
	}
	session_take_message(session, &msg);
	return 0;
}

static int
no_memory(struct session *session)
{
	session_close(session, CLOSE_OVERLOAD);
	return -1;
}

/* -1: the session is gone. */
static int
take_text(struct session *session, const struct ws_event *event)
{
	size_t len;
	char *text;
	int result;

	switch (ws_text_take(&session->text, event, &text, &len)) {
	case WIRE_MORE:
		return 0;
	case WIRE_BAD:
		return no_memory(session);
	case WIRE_DONE:
		break;
	}
	result = take_message(session, text, len);
	ws_text_done(event, text);
	return result;
}

/* -1: the session is gone. */
static int
take_event(struct session *session, const struct ws_event *event)
{
	if (event->type != WS_NEED_MORE)
		session_heard(session);
	switch (event->type) {
	case WS_TEXT:
		return take_text(session, event);
	case WS_PING:
		ws_append_pong(&session->conn, event->data, event->len);
		if (session->device->session == session)
			warm_tend(session->device);
		return 0;
	case WS_NEED_ROOM:
		return ws_lend_room(&session->reader) == 0 ? 0
							   : no_memory(session);
	case WS_CLOSED:
		session_end(session, CLOSE_PEER,
		    event->code == WS_CLOSE_NO_STATUS ? WS_CLOSE_NORMAL
						      : event->code,
		    NULL);
		return -1;
	case WS_BINARY:
		session_end(session, CLOSE_BAD_FRAME, WS_CLOSE_PROTOCOL_ERROR,
		    "binary frame on a control channel");
		return -1;
	case WS_ERROR:
		device_note_bad_frame(session->device, event->code);
		session_end(
		    session, CLOSE_BAD_FRAME, event->code, event->reason);
		return -1;
	case WS_PONG:
	case WS_NEED_MORE:
		break;
	}
	return 0;
}

static int
decode(struct session *session, uint8_t *data, size_t len)
{
	while (len > 0) {
		struct ws_event event;
		size_t consumed;

		ws_reader_next(&session->reader, data, len, &consumed, &event);
		if (take_event(session, &event) != 0)
			return -1;
		data += consumed;
		len -= consumed;
	}
	/* pongs to what came together go together */
	if (conn_queued(&session->conn) > 0)
		(void)conn_flush(&session->conn);
	return 0;
}

void
session_feed(struct session *session, uint8_t *data, size_t len)
{
	if (!ride_feed(session, data, len))
		(void)decode(session, data, len);
}

static void
readable_cb(struct conn *conn)
{
	struct session *session = conn->owner;
	uint8_t data[CONTROL_MSG_MAX];
	ssize_t got = conn_read(conn, data, sizeof(data));

	/* one read a turn: the loop comes back for the rest */
	if (got > 0)
		(void)decode(session, data, (size_t)got);
	else if (got == 0)
		session_end(session, CLOSE_PEER, 0,
		    "connection ended without a close frame");
	else if (got == CONN_ERROR)
		session_close(session, CLOSE_RESET);
}

static void
broken_cb(struct conn *conn)
{
	session_close(conn->owner, CLOSE_IO_ERROR);
}

static const struct conn_ops session_conn_ops = {
    .readable_cb = readable_cb,
    .broken_cb = broken_cb,
};

struct session *
session_new(struct device *device, struct conn *conn)
{
	struct session *session = calloc(1, sizeof(*session));

	if (session == NULL) {
		conn_fini(conn);
		return NULL;
	}
	session->device = device;
	session->heard_ms = loop_now_ms(device->relay->loop);
	ws_reader_init(&session->reader, WS_SERVER,
	    (size_t)device->relay->options.max_message);
	LIST_INIT(&session->probes);
	if (conn_move(&session->conn, conn, &session_conn_ops, session) != 0) {
		free(session);
		return NULL;
	}
	session->grant = grant_keep(device->grant);
	conn_resume(&session->conn);
	device->relay->n_sessions++;
	device->relay->self.agents++;
	return session;
}

/* The lease, signed, for the day when the registry has forgotten it. */
static struct str
signed_lease(const struct session *session, char token[LEASE_TOKEN_MAX + 1])
{
	const struct device *device = session->device;
	struct lease lease;

	grant_lease(device->grant, &lease);
	if (!lease_token_make(&device->relay->lease_key, device->name,
		device->secret_sha256, &lease, token, LEASE_TOKEN_MAX + 1))
		return (struct str){NULL, 0};
	return str_of(token);
}

static void
add_urls(const struct device *device, struct control_msg *msg, char *room,
    size_t cap)
{
	const struct service *service;
	struct writer w;

	writer_init(&w, room, cap);
	LIST_FOREACH (service, &device->services, link) {
		struct control_url *url = &msg->urls[msg->n_urls];
		const char *start = w.at;

		service_url_write(service, &w);
		if (w.full || msg->n_urls == SERVICES_MAX)
			return;
		url->service = str_of(service->name);
		url->url = (struct str){start, (size_t)(w.at - start)};
		msg->n_urls++;
	}
}

static void
add_peers(struct relay *relay, struct control_msg *msg)
{
	const struct relay_info *relays;
	size_t n = relay->registry->ops->relays(relay->registry, &relays), i;

	for (i = 0; i < n && msg->n_peers < PEERS_MAX; i++)
		if (strcmp(relays[i].id, relay->self.id) != 0 &&
		    !relays[i].draining)
			msg->peers[msg->n_peers++] = str_of(relays[i].url);
}

void
session_welcome(struct session *session)
{
	struct device *device = session->device;
	struct relay *relay = device->relay;
	char token[LEASE_TOKEN_MAX + 1],
	    urls[SERVICES_MAX * (HOST_NAME_MAX + 20)];
	struct control_msg msg = {
	    .op = CONTROL_WELCOME,
	    .epoch = device->grant->epoch,
	    .heartbeat_ms = (uint64_t)relay->options.heartbeat_ms,
	    .heartbeat_min_ms = heartbeat_least(&relay->options),
	    .heartbeat_max_ms = heartbeat_most(&relay->options),
	    .lease_ms = (uint64_t)relay->options.lease_ms,
	    .label = str_of(grant_label(device->grant)),
	    .relay = str_of(relay->self.url),
	};

	msg.lease = signed_lease(session, token);
	add_urls(device, &msg, urls, sizeof(urls));
	add_peers(relay, &msg);
	/* what does not fit is left out, what can be missed first */
	while (!ws_send_message(&session->conn, &msg)) {
		if (msg.n_peers > 0)
			msg.n_peers--;
		else if (msg.n_urls > 0)
			msg.n_urls--;
		else
			return;
	}
}

void
session_send_open(
    struct session *session, const char *id, const char *service, bool shared)
{
	struct control_msg msg = {
	    .op = CONTROL_OPEN,
	    .id = str_of(id),
	    .service = str_of(service),
	    .mux = shared,
	};

	(void)ws_send_message(&session->conn, &msg);
}

void
session_ask_secret(struct session *session)
{
	if (!ws_is_clogged(&session->conn))
		(void)ws_send_message(&session->conn,
		    &(struct control_msg){.op = CONTROL_ROTATE});
}

void
session_confirm_secret(struct session *session,
    const uint8_t sha256[SECRET_HASH_LEN], const char *error)
{
	char hash[SHA256_HEX_LEN], token[LEASE_TOKEN_MAX + 1];
	struct control_msg msg = {.op = CONTROL_SECRET};
	struct writer w;

	if (ws_is_clogged(&session->conn))
		return; /* it does not read: it will ask itself what counts */
	if (sha256 == NULL) {
		msg.error = str_of(error);
	} else {
		writer_init(&w, hash, sizeof(hash));
		writer_hex(&w, sha256, SECRET_HASH_LEN);
		msg.sha256 = (struct str){hash, sizeof(hash)};
		msg.lease = signed_lease(session, token);
	}
	(void)ws_send_message(&session->conn, &msg);
}

void
session_send_move(struct session *session, const char *to, const char *reason)
{
	struct control_msg msg = {
	    .op = CONTROL_MOVE,
	    .to = str_of(to),
	    .reason = str_of(reason),
	};

	session->device->relay->n_moving += !session->device->asked_to_move;
	session->device->asked_to_move = true;
	(void)ws_send_message(&session->conn, &msg);
}
