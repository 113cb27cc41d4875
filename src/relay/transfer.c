/* SPDX-License-Identifier: MIT */
/*
 * A visit is complete when both directions have ended: each by its end-of-file, or by an
 * abort. Messages carry the visit's number, because an abort may cross an end-of-file
 * and arrive when the next visit has begun.
 */
#include "config.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "relay/counting.h"
#include "relay/dig.h"
#include "relay/limits.h"
#include "relay/service.h"
#include "relay/session.h"
#include "relay/sources.h"
#include "relay/stream.h"
#include "relay/transfer.h"
#include "relay/visitor.h"
#include "relay/warm.h"
#include "relay/ws_gather.h"
#include "relay/ws_send.h"

#define EOF_WAIT_MS 10 /* for a visit with which the last one's end can go */

void
transfer_count(struct transfer *transfer)
{
	uint64_t in, out;

	pump_take_moved(&transfer->pump, &in, &out);
	counting_add_payload(transfer->device, in, out);
}

/* Part from the visitor; whoever calls decides what becomes of it. */
static struct visitor *
part(struct transfer *transfer)
{
	struct visitor *visitor = transfer->visitor;

	/* after bytes, or their end, no page can be written any more */
	visitor->touched |=
	    transfer->pump.to_raw_bytes > 0 || transfer->out_ended;
	if (!visitor->doubtful)
		transfer_count(transfer);
	pump_leave(&transfer->pump);
	transfer->visitor = NULL;
	return visitor;
}

static void
set_running(struct transfer *transfer)
{
	struct device *device = transfer->device;

	TAILQ_REMOVE(&device->idle, transfer, link);
	device->n_idle--;
	TAILQ_INSERT_HEAD(&device->running, transfer, link);
	device->n_running++;
	transfer->running = true;
}

/* Take it out of the list that it is in. */
static void
unlist(struct transfer *transfer)
{
	struct device *device = transfer->device;

	if (transfer->running) {
		TAILQ_REMOVE(&device->running, transfer, link);
		device->n_running--;
	} else {
		TAILQ_REMOVE(&device->idle, transfer, link);
		device->n_idle--;
	}
	transfer->running = false;
}

/* code 0: the connection is beyond a close frame. */
static void
close_transfer(struct transfer *transfer, unsigned code, const char *text)
{
	struct device *device = transfer->device;
	struct visitor *visitor = NULL;
	struct stream *moving = transfer->moving;
	uint64_t sent_bytes;

	pump_recall(&transfer->pump);
	sent_bytes = transfer->pump.to_channel_bytes;
	if (text != NULL)
		log_debug("transfer channel closed",
		    LOG_S("device", device->name), LOG_S("reason", text));
	if (transfer->visitor != NULL)
		visitor = part(transfer);
	unlist(transfer);
	timer_clear(device->relay->loop, &transfer->timer);
	pump_fini(&transfer->pump);
	if (code != 0) {
		ws_send_close(&transfer->conn, code, text);
		farewell_take(device->relay->farewells, &transfer->conn);
	} else {
		conn_abort(&transfer->conn);
	}
	free(transfer->text);
	free(transfer->reader.room);
	device->relay->n_transfers--;
	free(transfer);
	if (moving != NULL)
		stream_move_failed(moving);
	if (visitor != NULL && !visitor_retry(visitor, sent_bytes))
		visitor_fail(visitor, PAGE_OFFLINE);
}

/* After such a rest a NAT may have forgotten it, or its agent may be gone. */
static bool
is_doubtful(const struct transfer *transfer)
{
	const struct relay *relay = transfer->device->relay;

	return loop_now_ms(relay->loop) - transfer->rested_ms >
	    (uint64_t)relay->options.heartbeat_ms;
}

/* Let the bytes of its visitor run. */
static void
join(struct transfer *transfer)
{
	struct visitor *visitor = transfer->visitor;

	pump_limit(&transfer->pump, device_flow(transfer->device));
	pump_join(&transfer->pump, &visitor->conn, &visitor->first,
	    visitor->first_len);
}

/* The channel lives: who was held back is so no longer. */
static void
heard(struct transfer *transfer)
{
	transfer->heard = true;
	if (transfer->visitor != NULL && transfer->pump.raw == NULL)
		join(transfer);
}

/* Tell the agent that a visit of visitor begins here; with stream, that it comes from there. */
static void
append_open(struct transfer *transfer, const struct visitor *visitor,
    const struct stream *stream)
{
	char from[ADDRESS_TEXT_MAX];
	struct control_msg msg =
	    visitor_open_message(visitor, ++transfer->visit, from);

	if (stream != NULL) {
		msg.shared = (struct str){
		    stream->shared->id, sizeof(stream->shared->id)};
		msg.stream = stream->number;
	}
	(void)ws_append_message(&transfer->conn, &msg);
}

static void
begin(struct transfer *transfer)
{
	struct relay *relay = transfer->device->relay;

	set_running(transfer);
	timer_clear(relay->loop, &transfer->timer);
	transfer->answered = transfer->heard = false;
	transfer->in_ended = transfer->out_ended = false;
	transfer->eof_waits = transfer->only_end = false;
}

static void
serve_visitor(struct transfer *transfer, struct visitor *visitor)
{
	if (transfer->visit > 0)
		transfer->device->relay->counters.visits_reused++;
	begin(transfer);
	transfer->visitor = visitor;
	append_open(transfer, visitor, NULL);
	if (is_doubtful(transfer)) {
		ws_append_ping(&transfer->conn, NULL, 0); /* answered at once */
		visitor_doubt(visitor);
	}
	visitor->transfer = transfer;
	visitor_joined(visitor);
	if (visitor_is_held_back(visitor))
		(void)conn_flush(&transfer->conn);
	else
		join(transfer);
}

/* What comes on this channel has to wait for the last word on the shared one. */
static void
serve_mover(struct transfer *transfer, struct stream *stream)
{
	begin(transfer);
	transfer->moving = stream;
	append_open(transfer, stream->visitor, stream);
	(void)conn_flush(&transfer->conn);
	pump_hold(&transfer->pump, true);
	stream_move(stream, transfer);
}

/* Begin the next visit, of the first visitor who waits or the first stream that wants to move;
 * false: nobody does. */
static bool
serve_next(struct transfer *transfer)
{
	struct device *device = transfer->device;
	struct visitor *visitor = TAILQ_FIRST(&device->waiting);
	struct stream *mover;

	assert(!transfer->running);
	if (device->session == NULL || ws_is_clogged(&transfer->conn))
		return false;
	if (visitor != NULL && device_may_begin(device)) {
		serve_visitor(transfer, visitor);
		return true;
	}
	if ((mover = stream_next_mover(device)) == NULL)
		return false;
	serve_mover(transfer, mover);
	return true;
}

static void
rest(struct transfer *transfer)
{
	struct device *device = transfer->device;

	assert(transfer->moving == NULL && !transfer->pump.held);
	transfer->rested_ms = loop_now_ms(device->relay->loop);
	timer_set(device->relay->loop, &transfer->timer,
	    transfer->eof_waits
		? EOF_WAIT_MS
		: (uint64_t)device->relay->options.transfer_idle_ms);
	/* the channel used last is used next: the others may time out */
	TAILQ_INSERT_HEAD(&device->idle, transfer, link);
	device->n_idle++;
	(void)serve_next(transfer);
}

/* Both directions have ended: the channel is free for the next visit. */
static void
complete(struct transfer *transfer)
{
	if (!transfer->running || !transfer->in_ended || !transfer->out_ended)
		return;
	if (transfer->visitor != NULL)
		visitor_finish(part(transfer));
	unlist(transfer);
	rest(transfer);
}

static void
send_abort(struct transfer *transfer)
{
	struct control_msg msg = {
	    .op = CONTROL_ABORT, .visit = transfer->visit};

	(void)ws_send_message(&transfer->conn, &msg);
	transfer->in_ended = true;
}

void
transfer_moved(
    struct transfer *transfer, struct visitor *visitor, bool out_ended)
{
	transfer->moving = NULL;
	transfer->visitor = visitor;
	transfer->only_end = out_ended;
	transfer->answered = transfer->heard = true;
	visitor->transfer = transfer;
	visitor->touched = true;
	visitor_answered(visitor);
	join(transfer);
	pump_hold(&transfer->pump, false);
}

void
transfer_not_moved(struct transfer *transfer)
{
	struct relay *relay = transfer->device->relay;

	transfer->moving = NULL;
	send_abort(transfer);
	timer_set(relay->loop, &transfer->timer,
	    (uint64_t)relay->options.transfer_idle_ms);
	pump_hold(&transfer->pump, false);
}

static void
answered(struct transfer *transfer)
{
	if (transfer->answered || transfer->visitor == NULL)
		return;
	transfer->answered = true;
	heard(transfer); /* before its bytes */
	visitor_answered(transfer->visitor);
}

/* The agent has reset its side, or refused the visitor. */
static void
agent_aborted(struct transfer *transfer, bool refused, struct str reason)
{
	if (transfer->visitor != NULL && refused)
		visitor_refuse(part(transfer), reason);
	else if (transfer->visitor != NULL)
		visitor_abort(part(transfer));
	transfer->out_ended = true;
	if (!transfer->in_ended)
		send_abort(transfer);
	complete(transfer);
}

/* It speaks about a visit that it cannot know of: the channel is held while that moves here, and
 * only what had come before is looked at. */
static int
protest_early(struct transfer *transfer)
{
	close_transfer(transfer, WS_CLOSE_PROTOCOL_ERROR,
	    "the visit has not moved here yet");
	return -1;
}

/* -1: the channel is gone. */
static int
take_message(struct transfer *transfer, char *text, size_t len)
{
	struct control_msg msg;
	const char *error = NULL;

	if (control_msg_decode(text, len, &msg, &error) != WIRE_DONE) {
		log_warn("malformed control message",
		    LOG_S("device", transfer->device->name),
		    LOG_S("error", error));
		close_transfer(transfer, WS_CLOSE_PROTOCOL_ERROR, error);
		return -1;
	}
	/* what is about another visit is late, what is about an ended one is over */
	if (msg.visit != transfer->visit || !transfer->running)
		return 0;
	if (transfer->moving != NULL)
		return protest_early(transfer);
	if (msg.op == CONTROL_OPENED)
		answered(transfer);
	else if (msg.op == CONTROL_ABORT ||
	    (msg.op == CONTROL_REFUSED && !transfer->out_ended))
		agent_aborted(transfer, msg.op == CONTROL_REFUSED, msg.reason);
	return 0;
}

static int
no_memory(struct transfer *transfer)
{
	close_transfer(transfer, WS_CLOSE_TRY_AGAIN, "out of memory");
	return -1;
}

static int
take_text(struct transfer *transfer, const struct ws_event *event)
{
	size_t len;
	char *text;
	int result;

	switch (ws_text_take(&transfer->text, event, &text, &len)) {
	case WIRE_MORE:
		return 0;
	case WIRE_BAD:
		return no_memory(transfer);
	case WIRE_DONE:
		break;
	}
	result = take_message(transfer, text, len);
	ws_text_done(event, text);
	return result;
}

static void
unmask(const struct ws_event *event, struct pump_step *step)
{
	ws_mask(event->data, event->len, event->mask, event->phase);
	step->payload = event->data;
	step->length = event->len;
}

/* Payload for the visitor, or its end. */
static int
take_binary(struct transfer *transfer, const struct ws_event *event,
    struct pump_step *step)
{
	if (transfer->moving != NULL)
		return protest_early(transfer);
	if (!transfer->running || transfer->out_ended ||
	    (transfer->only_end && event->len > 0)) {
		/* after an end there may only be the other side's news of it */
		close_transfer(transfer, WS_CLOSE_PROTOCOL_ERROR,
		    "payload outside of a visit");
		return -1;
	}
	answered(transfer);
	if (event->len > 0) {
		if (transfer->visitor != NULL)
			visitor_touched(transfer->visitor);
		unmask(event, step);
	} else if (event->last && event->message_length == 0) {
		transfer->out_ended = true;
		pump_end_raw(&transfer->pump);
		complete(transfer);
	}
	return 0;
}

static enum pump_verdict
decode_cb(void *owner, uint8_t *data, size_t len, struct pump_step *step)
{
	struct transfer *transfer = owner;
	struct ws_event event;
	int result = 0;

	ws_reader_next(&transfer->reader, data, len, &step->consumed, &event);
	switch (event.type) {
	case WS_BINARY:
		result = take_binary(transfer, &event, step);
		break;
	case WS_TEXT:
		result = take_text(transfer, &event);
		break;
	case WS_PING:
		ws_append_pong(&transfer->conn, event.data, event.len);
		transfer->pong_waits = true;
		break;
	case WS_NEED_ROOM:
		if (ws_lend_room(&transfer->reader) != 0)
			result = no_memory(transfer);
		break;
	case WS_CLOSED:
		close_transfer(transfer,
		    event.code == WS_CLOSE_NO_STATUS ? WS_CLOSE_NORMAL
						     : event.code,
		    NULL);
		result = -1;
		break;
	case WS_ERROR:
		device_note_bad_frame(transfer->device, event.code);
		log_warn("malformed frame",
		    LOG_S("device", transfer->device->name),
		    LOG_S("error", event.reason));
		close_transfer(transfer, event.code, event.reason);
		result = -1;
		break;
	case WS_PONG:
	case WS_NEED_MORE:
		break;
	}
	if (result != 0)
		return PUMP_GONE;
	heard(transfer);
	/* pongs to what came together go together */
	if (transfer->pong_waits && step->consumed == len) {
		transfer->pong_waits = false;
		(void)conn_flush(&transfer->conn);
	}
	return PUMP_STEP;
}

static bool
may_leave_cb(void *owner)
{
	const struct transfer *transfer = owner;

	return transfer->visitor != NULL && transfer->answered &&
	    !transfer->only_end && !transfer->pong_waits;
}

/* By the worker's thread: nothing but the reader is touched. */
static bool
decode_payload_cb(
    void *owner, uint8_t *data, size_t len, struct pump_step *step)
{
	struct transfer *transfer = owner;
	struct ws_event event;

	if (transfer->out_ended ||
	    !ws_reader_is_at_payload(&transfer->reader, data, len))
		return false;
	ws_reader_next(&transfer->reader, data, len, &step->consumed, &event);
	if (event.type == WS_BINARY)
		unmask(&event, step);
	return true;
}

static size_t
encode_cb(void *owner, uint8_t *payload, size_t len)
{
	struct ws_header header = {
	    .length = len, .opcode = WS_OP_BINARY, .fin = true};
	uint8_t bytes[WS_HEADER_MAX];
	size_t size = ws_header_encode(&header, bytes);

	(void)owner;
	memcpy(payload - size, bytes, size);
	return size;
}

static void
raw_eof_cb(void *owner)
{
	struct transfer *transfer = owner;

	if (transfer->in_ended)
		return;
	/* to a service that has ended, too, it is no news: in a crowd it goes with the next
	 * open. One visitor after the other is served sooner if the agent has parted from the
	 * last one's service by then. */
	transfer->eof_waits = transfer->out_ended &&
	    transfer->device->n_running > 1 &&
	    conn_queued(&transfer->conn) == 0;
	if (transfer->eof_waits)
		ws_append_eof(&transfer->conn);
	else
		ws_send_eof(&transfer->conn);
	transfer->in_ended = true;
	complete(transfer);
}

static void
raw_failed_cb(void *owner)
{
	struct transfer *transfer = owner;
	struct relay *relay = transfer->device->relay;

	visitor_abort(part(transfer));
	send_abort(transfer);
	/* an agent that never ends its direction must not keep the channel */
	timer_set(relay->loop, &transfer->timer,
	    (uint64_t)relay->options.transfer_idle_ms);
	complete(transfer);
}

static void
channel_ended_cb(void *owner, enum pump_end end)
{
	close_transfer(owner, 0,
	    end == PUMP_EOF ? "connection ended without a close frame"
			    : "connection reset");
}

static const struct pump_ops transfer_pump_ops = {
    .decode = decode_cb,
    .encode = encode_cb,
    .raw_eof = raw_eof_cb,
    .raw_failed = raw_failed_cb,
    .channel_ended = channel_ended_cb,
    .may_leave = may_leave_cb,
    .decode_payload = decode_payload_cb,
};

static void
idle_timer_cb(void *ctx)
{
	struct transfer *transfer = ctx;
	struct device *device = transfer->device;

	if (transfer->eof_waits) {
		transfer->eof_waits = false;
		(void)conn_flush(&transfer->conn);
		timer_set(device->relay->loop, &transfer->timer,
		    (uint64_t)device->relay->options.transfer_idle_ms);
		return;
	}
	if (transfer->running || warm_is_plenty(device))
		close_transfer(transfer, WS_CLOSE_NORMAL, "idle");
	else if (device->n_idle > device->warm_floor)
		timer_set(device->relay->loop, &transfer->timer,
		    (uint64_t)device->relay->options.transfer_idle_ms);
	/* else it is one of those that are kept, until a visit comes to it */
}

static void
transfer_new(
    struct device *device, struct conn *conn, const uint8_t *data, size_t len)
{
	struct transfer *transfer = calloc(1, sizeof(*transfer));

	if (transfer == NULL) {
		conn_fini(conn);
		return;
	}
	transfer->device = device;
	ws_reader_init(&transfer->reader, WS_SERVER,
	    (size_t)device->relay->options.max_message);
	timer_init(&transfer->timer, idle_timer_cb, transfer);
	if (conn_move(&transfer->conn, conn, NULL, transfer) != 0) {
		free(transfer);
		return;
	}
	pump_init(
	    &transfer->pump, &transfer->conn, &transfer_pump_ops, transfer);
	pump_use_worker(&transfer->pump, device->relay->worker);
	conn_keep_alive(&transfer->conn);
	device->relay->n_transfers++;
	device->relay->counters.transfers_opened++;
	rest(transfer);
	if (len > 0)
		(void)pump_feed(&transfer->pump, data, len);
}

void
transfer_admit(struct upgrade *upgrade, struct http_head *head)
{
	struct device *device;
	const char *error;
	struct str id;
	bool is_shared;
	uint8_t *rest;
	size_t len;

	if (transfer_params_decode((char *)head->query.ptr, head->query.len,
		&id, &error) != WIRE_DONE) {
		if (upgrade_count_named(upgrade))
			upgrade_reject_bad(upgrade, 400, error);
		return;
	}
	if ((device = dig_redeem(upgrade->relay, id, &is_shared)) == NULL) {
		if (upgrade_count_named(upgrade))
			upgrade_reject(upgrade,
			    &(struct upgrade_error){.status = 404,
				.code = "gone",
				.reason =
				    "the id is unknown, used or too old"});
		return;
	}
	sources_excuse(upgrade->relay->sources, upgrade->source,
	    loop_now_ms(upgrade->relay->loop));
	upgrade_switch(upgrade);
	(void)conn_flush(&upgrade->conn);
	rest = upgrade_rest(upgrade, &len);
	if (is_shared)
		shared_new(device, &upgrade->conn, id, rest, len);
	else
		transfer_new(device, &upgrade->conn, rest, len);
	upgrade_free(upgrade);
}

/* Why an idle channel is of no use now; NULL: it is. A visitor who waits can wait again, if it turns
 * out to be dead; a visit that moves to a dead one is lost, and was well where it was. */
static const char *
useless(const struct transfer *transfer)
{
	if (ws_is_clogged(&transfer->conn))
		return "the agent does not read it";
	if (transfer->device->n_waiting == 0 && is_doubtful(transfer))
		return "rested too long for a visit to move to it";
	return NULL;
}

bool
transfer_take_idle(struct device *device)
{
	struct transfer *transfer;
	const char *why;

	while ((transfer = TAILQ_FIRST(&device->idle)) != NULL &&
	    (why = useless(transfer)) != NULL)
		close_transfer(transfer, WS_CLOSE_TRY_AGAIN, why);
	return transfer != NULL && serve_next(transfer);
}

void
transfer_unanswered(struct transfer *transfer)
{
	close_transfer(transfer, WS_CLOSE_TRY_AGAIN, "open was not answered");
}

void
transfers_forget_service(const struct service *service)
{
	struct transfer *transfer;

	TAILQ_FOREACH (transfer, &service->device->running, link)
		if (transfer->visitor != NULL &&
		    transfer->visitor->service == service)
			transfer->visitor->service = NULL;
}

void
transfer_end(struct transfer *transfer)
{
	close_transfer(transfer, 0, "its visit was ended");
}

void
transfers_close(struct device *device, bool running_too)
{
	struct transfer *transfer;

	while ((transfer = TAILQ_FIRST(&device->idle)) != NULL)
		close_transfer(transfer, WS_CLOSE_NORMAL, "session ended");
	while (
	    running_too && (transfer = TAILQ_FIRST(&device->running)) != NULL)
		close_transfer(transfer, 0, "session is dead");
}
