/* SPDX-License-Identifier: MIT */
/*
 * What comes on a shared channel is for one of its streams, and found by the visit's number.
 * An agent that breaks the rules for one visit loses the channel, and with it all of them.
 */
#include "config.h"

#include <stdlib.h>

#include "base/log.h"
#include "relay/limits.h"
#include "relay/service.h"
#include "relay/session.h"
#include "relay/stream.h"
#include "relay/transfer.h"
#include "relay/visitor.h"
#include "relay/warm.h"
#include "relay/ws_gather.h"
#include "relay/ws_send.h"

#define UNREAD_BYTES (1u << 20) /* that an agent may leave in our queue */

static void
lose_cb(void *ctx, struct hash_node *node)
{
	(void)ctx;
	stream_lost(HASH_ENTRY(node, struct stream, by_number));
}

void
shared_unwind(struct shared *shared)
{
	shared->retired = true;
	LIST_REMOVE(shared, link);
	timer_clear(shared->device->relay->loop, &shared->timer);
	hash_map_each(&shared->streams, lose_cb, NULL);
	hash_map_fini(&shared->streams);
	mux_fini(&shared->mux);
}

void
shared_free(struct shared **shared)
{
	free((*shared)->text);
	free((*shared)->reader.room);
	free(*shared);
	*shared = NULL;
}

/* code 0: the connection is beyond a close frame. A control channel ends with its session, and
 * that for the reason. */
static void
close_shared(struct shared *shared, enum close_reason reason, unsigned code,
    const char *text)
{
	struct relay *relay = shared->device->relay;

	if (shared->session != NULL) {
		session_end(shared->session, reason, code, text);
		return;
	}
	if (text != NULL)
		log_debug("shared channel closed",
		    LOG_S("device", shared->device->name),
		    LOG_S("reason", text));
	shared_unwind(shared);
	if (code != 0) {
		ws_send_close(shared->conn, code, text);
		farewell_take(relay->farewells, shared->conn);
	} else {
		conn_abort(shared->conn);
	}
	relay->n_transfers--;
	shared_free(&shared);
}

/* The agent broke the protocol. */
static enum pump_verdict
protest(struct shared *shared, enum close_reason reason, unsigned code,
    const char *error)
{
	log_warn(shared->session != NULL
		? "malformed control message"
		: "malformed message on a shared channel",
	    LOG_S("device", shared->device->name), LOG_S("error", error));
	close_shared(shared, reason, code, error);
	return PUMP_GONE;
}

static enum pump_verdict
protest_message(struct shared *shared, const char *error)
{
	return protest(
	    shared, CLOSE_BAD_MESSAGE, WS_CLOSE_PROTOCOL_ERROR, error);
}

static enum pump_verdict
no_memory(struct shared *shared)
{
	close_shared(
	    shared, CLOSE_OVERLOAD, WS_CLOSE_TRY_AGAIN, "out of memory");
	return PUMP_GONE;
}

/* ---- what comes ---- */

static enum pump_verdict
take_binary(
    struct shared *shared, const struct ws_event *event, struct mux_step *step)
{
	struct stream *stream;
	const char *error = "payload outside of a visit";
	uint8_t *payload = NULL;
	size_t len = 0;

	if (event->len > 0)
		ws_mask(event->data, event->len, event->mask, event->phase);
	switch (mux_reader_take(&shared->prefix, event->first, event->last,
	    event->data, event->len, &payload, &len)) {
	case MUX_MORE:
		return PUMP_STEP;
	case MUX_BAD:
		return protest_message(
		    shared, "a binary message that names no visit");
	case MUX_DATA:
	case MUX_END:
		break;
	}
	if ((stream = stream_find(shared, shared->prefix.visit)) != NULL)
		error = stream_take_payload(stream, payload, len, step);
	return error == NULL ? PUMP_STEP : protest_message(shared, error);
}

static enum pump_verdict
take_message(struct shared *shared, char *text, size_t len)
{
	struct control_msg msg;
	struct stream *stream;
	const char *error = NULL;

	if (control_msg_decode(text, len, &msg, &error) != WIRE_DONE)
		return protest_message(shared, error);
	if (msg.visit == 0 && shared->session != NULL)
		session_take_message(shared->session, &msg);
	else if ((stream = stream_find(shared, msg.visit)) != NULL)
		error = stream_take_message(stream, &msg);
	/* else it is late */
	return error == NULL ? PUMP_STEP : protest_message(shared, error);
}

static enum pump_verdict
take_text(struct shared *shared, const struct ws_event *event)
{
	size_t len;
	char *text;
	enum pump_verdict verdict;

	switch (ws_text_take(&shared->text, event, &text, &len)) {
	case WIRE_MORE:
		return PUMP_STEP;
	case WIRE_BAD:
		return no_memory(shared);
	case WIRE_DONE:
		break;
	}
	verdict = take_message(shared, text, len);
	ws_text_done(event, text);
	return verdict;
}

/* The channel lives. */
static void
heard(struct shared *shared)
{
	struct stream *stream;

	shared->heard_ms = loop_now_ms(shared->device->relay->loop);
	if (shared->session != NULL)
		session_heard(shared->session);
	while ((stream = TAILQ_FIRST(&shared->doubtful)) != NULL)
		stream_heard(stream);
}

/* The answer to the ping of a stream. */
static void
take_pong(struct shared *shared, const struct ws_event *event)
{
	struct mux_reader number = {0};
	struct stream *stream;
	uint8_t *payload;
	size_t len;

	if (mux_reader_take(&number, true, true, event->data, event->len,
		&payload, &len) == MUX_END &&
	    (stream = stream_find(shared, number.visit)) != NULL)
		stream_take_pong(stream);
}

static enum pump_verdict
decode_cb(void *owner, uint8_t *data, size_t len, struct mux_step *step)
{
	struct shared *shared = owner;
	struct ws_event event;

	heard(shared);
	/* all that it makes us say waits for it to be read */
	if (conn_queued(shared->conn) > UNREAD_BYTES)
		return protest(shared, CLOSE_OVERLOAD, WS_CLOSE_POLICY,
		    "it does not read what it is sent");
	ws_reader_next(&shared->reader, data, len, &step->consumed, &event);
	switch (event.type) {
	case WS_BINARY:
		return take_binary(shared, &event, step);
	case WS_TEXT:
		return take_text(shared, &event);
	case WS_PING:
		ws_append_pong(shared->conn, event.data, event.len);
		mux_flush_soon(&shared->mux);
		break;
	case WS_NEED_ROOM:
		if (ws_lend_room(&shared->reader) != 0)
			return no_memory(shared);
		break;
	case WS_CLOSED:
		close_shared(shared, CLOSE_PEER,
		    event.code == WS_CLOSE_NO_STATUS ? WS_CLOSE_NORMAL
						     : event.code,
		    NULL);
		return PUMP_GONE;
	case WS_ERROR:
		device_note_bad_frame(shared->device, event.code);
		return protest(
		    shared, CLOSE_BAD_FRAME, event.code, event.reason);
	case WS_PONG:
		take_pong(shared, &event);
		break;
	case WS_NEED_MORE:
		break;
	}
	return PUMP_STEP;
}

static size_t
encode_cb(void *owner, struct mux_side *side, uint8_t *payload, size_t len)
{
	(void)owner;
	return stream_encode(side, payload, len);
}

static void
credit_cb(void *owner, struct mux_side *side, uint32_t bytes)
{
	(void)owner;
	stream_give_credit(side, bytes);
}

static void
raw_eof_cb(void *owner, struct mux_side *side)
{
	(void)owner;
	stream_raw_eof(side);
}

static void
raw_failed_cb(void *owner, struct mux_side *side)
{
	(void)owner;
	stream_raw_failed(side);
}

static void
channel_ended_cb(void *owner, enum pump_end end)
{
	close_shared(owner, end == PUMP_EOF ? CLOSE_PEER : CLOSE_RESET, 0,
	    end == PUMP_EOF ? "connection ended without a close frame"
			    : "connection reset");
}

/* Visitors may wait for that, and no other channel be dug for them. */
static void
has_room_cb(void *owner)
{
	const struct shared *shared = owner;

	if (!shared->retired && shared->device->n_waiting > 0)
		device_serve(shared->device);
}

static const struct mux_ops shared_mux_ops = {
    .decode = decode_cb,
    .encode = encode_cb,
    .credit = credit_cb,
    .raw_eof = raw_eof_cb,
    .raw_failed = raw_failed_cb,
    .channel_ended = channel_ended_cb,
    .has_room = has_room_cb,
};

/* ---- its life ---- */

static bool
is_resting(const struct shared *shared)
{
	return shared->streams.count == 0;
}

static void
retire(struct shared *shared)
{
	if (shared->was_control)
		close_shared(
		    shared, CLOSE_TAKEN_OVER, WS_CLOSE_POLICY, "taken over");
	else
		close_shared(shared, CLOSE_DONE, WS_CLOSE_NORMAL, "retired");
}

static void
timer_cb(void *ctx)
{
	struct shared *shared = ctx;
	struct device *device = shared->device;
	struct loop *loop = device->relay->loop;
	uint64_t idle_ms = (uint64_t)device->relay->options.transfer_idle_ms;
	uint64_t due_ms = shared->rested_ms + idle_ms;
	uint64_t now_ms = loop_now_ms(loop);

	if (!is_resting(shared))
		return; /* set again when it rests */
	if (shared->retired)
		retire(shared);
	else if (now_ms < due_ms)
		timer_set(loop, &shared->timer, due_ms - now_ms);
	else if (device->warm_floor == 0)
		close_shared(shared, CLOSE_DONE, WS_CLOSE_NORMAL, "idle");
	/* else it is kept, as one that is ready */
}

/* A timer that runs is left alone: it looks when it is due. A control channel may rest. */
static void
rest(struct shared *shared)
{
	struct relay *relay = shared->device->relay;

	shared->rested_ms = loop_now_ms(relay->loop);
	if (shared->retired)
		timer_set(relay->loop, &shared->timer, 0);
	else if (shared->session == NULL && !timer_is_set(&shared->timer))
		timer_set(relay->loop, &shared->timer,
		    (uint64_t)relay->options.transfer_idle_ms);
}

void
shared_settle(struct shared *shared)
{
	if (is_resting(shared))
		rest(shared);
	if (!shared->retired && shared->device->n_waiting > 0)
		device_serve(shared->device);
}

static struct str
key_cb(const struct hash_node *node)
{
	const struct stream *stream =
	    HASH_ENTRY(node, const struct stream, by_number);

	return (struct str){
	    (const char *)&stream->number, sizeof(stream->number)};
}

struct shared *
shared_alloc(struct device *device)
{
	struct shared *shared = calloc(1, sizeof(*shared));

	if (shared == NULL)
		return NULL;
	shared->device = device;
	shared->window = device->mux_window;
	shared->heard_ms = loop_now_ms(device->relay->loop);
	hash_map_init(&shared->streams, key_cb);
	TAILQ_INIT(&shared->doubtful);
	TAILQ_INIT(&shared->movers);
	ws_reader_init(&shared->reader, WS_SERVER,
	    (size_t)device->relay->options.max_message);
	timer_init(&shared->timer, timer_cb, shared);
	return shared;
}

void
shared_start(struct shared *shared, struct conn *conn)
{
	shared->conn = conn;
	mux_init(&shared->mux, conn, &shared_mux_ops, shared);
	LIST_INSERT_HEAD(&shared->device->shareds, shared, link);
}

void
shared_new(struct device *device, struct conn *conn, struct str id,
    const uint8_t *data, size_t len)
{
	struct relay *relay = device->relay;
	struct shared *shared = shared_alloc(device);

	if (shared == NULL) {
		conn_fini(conn);
		return;
	}
	memcpy(shared->id, id.ptr, sizeof(shared->id));
	if (conn_move(&shared->own, conn, NULL, shared) != 0) {
		shared_free(&shared);
		return;
	}
	shared_start(shared, &shared->own);
	conn_keep_alive(&shared->own);
	relay->n_transfers++;
	relay->counters.transfers_opened++;
	rest(shared);
	device_serve(device);
	warm_tend(device); /* for those who found it full */
	if (len > 0)
		(void)mux_feed(&shared->mux, data, len);
}

/* One that takes another visit; NULL: none. */
static struct shared *
find_open(const struct device *device)
{
	struct shared *shared;

	LIST_FOREACH (shared, &device->shareds, link)
		if (!shared->retired &&
		    shared->streams.count < device->mux_visits &&
		    shared->last_visit < MUX_VISIT_MAX &&
		    !ws_is_clogged(shared->conn))
			return shared;
	return NULL;
}

bool
shared_is_there(const struct device *device)
{
	const struct shared *shared;

	LIST_FOREACH (shared, &device->shareds, link)
		if (!shared->retired)
			return true;
	return false;
}

bool
shared_is_open(const struct device *device)
{
	return find_open(device) != NULL;
}

bool
shared_serve(struct device *device)
{
	struct visitor *visitor = TAILQ_FIRST(&device->waiting);
	struct shared *shared = find_open(device);

	return visitor != NULL && shared != NULL && device->session != NULL &&
	    device_may_begin(device) && stream_begin(shared, visitor);
}

void
shared_protest(struct shared *shared, const char *why)
{
	log_warn("agent broke the protocol",
	    LOG_S("device", shared->device->name), LOG_S("error", why));
	close_shared(shared, CLOSE_BAD_MESSAGE, WS_CLOSE_PROTOCOL_ERROR, why);
}

void
shared_give_up(struct shared *shared, const char *why)
{
	close_shared(shared, CLOSE_TIMEOUT, WS_CLOSE_TRY_AGAIN, why);
}

static void
forget_cb(void *ctx, struct hash_node *node)
{
	struct stream *stream = HASH_ENTRY(node, struct stream, by_number);

	if (stream->visitor != NULL && stream->visitor->service == ctx)
		stream->visitor->service = NULL;
}

void
shareds_forget_service(const struct service *service)
{
	struct shared *shared;

	LIST_FOREACH (shared, &service->device->shareds, link)
		hash_map_each(&shared->streams, forget_cb, (void *)service);
}

void
shareds_close(struct device *device, bool running_too)
{
	struct shared *shared, *next;

	for (shared = LIST_FIRST(&device->shareds); shared != NULL;
	     shared = next) {
		next = LIST_NEXT(shared, link);
		if (shared->session != NULL)
			continue; /* it goes with its session */
		shared->retired = true;
		if (running_too)
			close_shared(
			    shared, CLOSE_TIMEOUT, 0, "session is dead");
		else if (is_resting(shared))
			close_shared(shared, CLOSE_DONE, WS_CLOSE_NORMAL,
			    "session ended");
	}
}
