/* SPDX-License-Identifier: MIT */
/*
 * A stream that has carried much one way, without a word the other way, shows that it is
 * large: it asks for a channel of its own. Requests and short answers never do, however many
 * there are.
 */
#include "config.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "relay/counting.h"
#include "relay/limits.h"
#include "relay/service.h"
#include "relay/session.h"
#include "relay/stream.h"
#include "relay/transfer.h"
#include "relay/visitor.h"
#include "relay/warm.h"
#include "relay/ws_send.h"

#define KEPT 256 /* streams whose memory is kept for the next ones */
#define LARGE_BYTES 32768

void
streams_init(struct relay *relay)
{
	pool_init(&relay->streams, sizeof(struct stream), KEPT);
}

void
streams_fini(struct relay *relay)
{
	pool_fini(&relay->streams);
}

static struct stream *
of_side(struct mux_side *side)
{
	return (struct stream *)(void *)((char *)side -
	    offsetof(struct stream, side));
}

static struct relay *
relay_of(const struct stream *stream)
{
	return stream->shared->device->relay;
}

struct stream *
stream_find(const struct shared *shared, uint64_t number)
{
	uint32_t key = (uint32_t)number;
	struct hash_node *node;

	if (number > MUX_VISIT_MAX)
		return NULL;
	node = hash_map_find(
	    &shared->streams, (struct str){(const char *)&key, sizeof(key)});
	return node != NULL ? HASH_ENTRY(node, struct stream, by_number) : NULL;
}

/* ---- what is said ---- */

static void
say(struct stream *stream, enum control_op op, uint64_t bytes)
{
	struct control_msg msg = {
	    .op = op, .visit = stream->number, .bytes = bytes};

	(void)ws_append_message(stream->shared->conn, &msg);
	mux_flush_soon(&stream->shared->mux);
}

static void
say_open(struct stream *stream)
{
	char from[ADDRESS_TEXT_MAX];
	struct control_msg msg =
	    visitor_open_message(stream->visitor, stream->number, from);

	(void)ws_append_message(stream->shared->conn, &msg);
	mux_flush_soon(&stream->shared->mux);
}

static void
say_abort(struct stream *stream)
{
	stream->in_ended = true;
	say(stream, CONTROL_ABORT, 0);
}

static size_t
put_header(const struct stream *stream, size_t len, uint8_t *out)
{
	struct ws_header header = {.length = MUX_PREFIX_LEN + len,
	    .opcode = WS_OP_BINARY,
	    .fin = true};
	size_t size = ws_header_encode(&header, out);

	mux_prefix_encode(stream->number, out + size);
	return size + MUX_PREFIX_LEN;
}

static void
say_end(struct stream *stream)
{
	uint8_t message[WS_HEADER_MAX + MUX_PREFIX_LEN];
	size_t len = put_header(stream, 0, message);

	stream->in_ended = true;
	(void)conn_append(stream->shared->conn, message, len);
	mux_flush_soon(&stream->shared->mux);
}

/* ---- its phases ---- */

static void
set_phase(struct stream *stream, unsigned phase)
{
	struct shared *shared = stream->shared;

	if (stream->phase == STREAM_DOUBTFUL) {
		TAILQ_REMOVE(&shared->doubtful, stream, link);
	} else if (stream->phase == STREAM_WAITS) {
		TAILQ_REMOVE(&shared->movers, stream, link);
		shared->device->n_movers--;
	}
	stream->phase = phase;
	if (phase == STREAM_DOUBTFUL) {
		TAILQ_INSERT_TAIL(&shared->doubtful, stream, link);
	} else if (phase == STREAM_WAITS) {
		TAILQ_INSERT_TAIL(&shared->movers, stream, link);
		shared->device->n_movers++;
	}
}

/* It does not move after all: the channel that it was offered has no visit then. */
static void
cancel_move(struct stream *stream)
{
	struct transfer *transfer = stream->transfer;

	if (stream->phase != STREAM_MOVES)
		return;
	stream->transfer = NULL;
	set_phase(stream, STREAM_STAYS);
	transfer_not_moved(transfer);
}

void
stream_count(struct stream *stream)
{
	const struct mux_side *side = &stream->side;

	counting_add_payload(stream->shared->device,
	    side->to_channel_bytes - stream->counted_in,
	    side->to_raw_bytes - stream->counted_out);
	stream->counted_in = side->to_channel_bytes;
	stream->counted_out = side->to_raw_bytes;
}

/* Part from the visitor; whoever calls decides what becomes of it. */
static struct visitor *
part(struct stream *stream)
{
	struct visitor *visitor = stream->visitor;

	/* after bytes, or their end, no page can be written any more */
	visitor->touched |= stream->side.to_raw_bytes > 0 || stream->out_ended;
	cancel_move(stream);
	set_phase(stream, STREAM_STAYS);
	if (!visitor->doubtful)
		stream_count(stream);
	mux_leave(&stream->side);
	stream->visitor = NULL;
	visitor->stream = NULL;
	return visitor;
}

static void
stream_free(struct stream *stream)
{
	struct shared *shared = stream->shared;
	struct relay *relay = relay_of(stream);

	assert(stream->visitor == NULL && stream->transfer == NULL);
	set_phase(stream, STREAM_STAYS);
	timer_clear(relay->loop, &stream->timer);
	shared->owed -= stream->owed;
	hash_map_remove(&shared->streams, &stream->by_number);
	pool_put(&relay->streams, stream);
}

/* Both directions have ended: its number is over. */
static void
complete(struct stream *stream)
{
	struct shared *shared = stream->shared;

	if (!stream->in_ended || !stream->out_ended)
		return;
	if (stream->visitor != NULL)
		visitor_finish(part(stream));
	mux_leave(&stream->side);
	stream_free(stream);
	shared_settle(shared);
}

/* ---- what the agent owes ---- */

/* With its number, as that stands in front of payload. */
void
stream_probe(struct stream *stream)
{
	uint8_t number[MUX_PREFIX_LEN];

	mux_prefix_encode(stream->number, number);
	stream->probed_ms = loop_now_ms(relay_of(stream)->loop);
	stream->ponged = false;
	ws_append_ping(stream->shared->conn, number, sizeof(number));
	mux_flush_soon(&stream->shared->mux);
}

void
stream_take_pong(struct stream *stream)
{
	stream->ponged = true;
}

enum verdict { STILL_COMING, OVERDUE, DEAD };

/* The time is up. Is it the agent's fault, the channel's end, or only a slow link, on which what
 * it has said waits behind what others have said? */
static enum verdict
judge(struct stream *stream)
{
	struct session *session = stream->shared->session;

	/* a session's life is its own matter: it is asked, and ends when it owes the answer */
	if (session != NULL && (!stream->ponged || stream->probed_ms == 0)) {
		if (stream->probed_ms == 0)
			stream_probe(stream);
		session_probe(session, NULL);
		return STILL_COMING;
	}
	if (stream->phase == STREAM_DOUBTFUL)
		return DEAD;
	if (stream->probed_ms == 0)
		stream_probe(stream);
	else if (stream->ponged)
		return OVERDUE;
	else if (stream->shared->heard_ms <= stream->probed_ms)
		return DEAD;
	return STILL_COMING;
}

static void
set_end_timer(struct stream *stream)
{
	struct relay *relay = relay_of(stream);
	int64_t idle_ms = relay->options.transfer_idle_ms;
	int64_t open_ms = relay->options.open_timeout_ms;

	timer_set(relay->loop, &stream->timer,
	    (uint64_t)(idle_ms > open_ms ? idle_ms : open_ms));
}

/* The visitor has left; the agent still has to end its direction. */
static void
await_end(struct stream *stream)
{
	stream->probed_ms = 0;
	set_end_timer(stream);
}

/* An agent that never ends its direction keeps the number, and one visitor after the other leaves
 * it with fewer. A session has more to lose than one of them. */
static bool
owes_too_much(struct stream *stream)
{
	struct shared *shared = stream->shared;

	shared->owed += !stream->owed;
	stream->owed = true;
	return shared->session == NULL ||
	    2 * shared->owed >= shared->device->mux_visits;
}

static void
timer_cb(void *ctx)
{
	struct stream *stream = ctx;

	switch (judge(stream)) {
	case STILL_COMING:
		set_end_timer(stream);
		break;
	case OVERDUE:
		if (owes_too_much(stream))
			shared_protest(
			    stream->shared, "aborts were not answered");
		else
			set_end_timer(stream);
		break;
	case DEAD:
		shared_give_up(stream->shared, "an abort was not answered");
		break;
	}
}

/* ---- its beginning ---- */

/* After such a rest a NAT may have forgotten the channel, or its agent may be gone. */
static bool
is_doubtful(const struct shared *shared)
{
	const struct relay *relay = shared->device->relay;
	uint64_t rest_ms = (uint64_t)relay->options.heartbeat_ms;

	/* the agent may have chosen a longer interval for its session */
	if (shared->session != NULL &&
	    shared->device->grant->heartbeat_ms > rest_ms)
		rest_ms = shared->device->grant->heartbeat_ms;
	return loop_now_ms(relay->loop) - shared->heard_ms > rest_ms;
}

/* Let the bytes of its visitor run. */
static void
join(struct stream *stream)
{
	struct visitor *visitor = stream->visitor;

	mux_join(
	    &stream->side, &visitor->conn, &visitor->first, visitor->first_len);
}

bool
stream_begin(struct shared *shared, struct visitor *visitor)
{
	struct device *device = shared->device;
	struct relay *relay = device->relay;
	struct stream *stream = pool_get(&relay->streams);

	if (stream == NULL)
		return false;
	stream->number = shared->last_visit + 1;
	if (hash_map_insert(&shared->streams, &stream->by_number) != 0) {
		pool_put(&relay->streams, stream);
		return false;
	}
	if (shared->last_visit++ > 0)
		relay->counters.visits_reused++;
	if (shared->last_visit == MUX_VISIT_MAX)
		shared->retired = true;
	stream->shared = shared;
	stream->visitor = visitor;
	timer_init(&stream->timer, timer_cb, stream);
	mux_side_init(&stream->side, &shared->mux, shared->window, MUX_WINDOW);
	mux_side_limit(&stream->side, device_flow(device));
	say_open(stream);
	if (is_doubtful(shared)) {
		if (shared->session != NULL)
			session_probe(shared->session, NULL);
		else
			ws_append_ping(shared->conn, NULL, 0);
		visitor_doubt(visitor);
		set_phase(stream, STREAM_DOUBTFUL);
	}
	visitor->stream = stream;
	visitor_joined(visitor);
	if (!visitor_is_held_back(visitor))
		join(stream);
	return true;
}

void
stream_heard(struct stream *stream)
{
	set_phase(stream, STREAM_STEADY);
	if (stream->side.raw == NULL)
		join(stream);
}

/* ---- moving to a channel of its own ---- */

/* Not while its agent leaves, or is gone: it closes idle channels then, and an offer that crosses
 * that would cost the visit. */
static bool
can_move(const struct stream *stream)
{
	const struct device *device = stream->shared->device;

	return device->session != NULL && !device->rides &&
	    !device->asked_to_move && !stream->shared->retired &&
	    stream->answered && !stream->in_ended && !stream->out_ended &&
	    stream->visitor != NULL && stream->visitor->service != NULL &&
	    stream->side.first == NULL;
}

struct stream *
stream_next_mover(const struct device *device)
{
	struct shared *shared;
	struct stream *stream;

	LIST_FOREACH (shared, &device->shareds, link)
		while ((stream = TAILQ_FIRST(&shared->movers)) != NULL) {
			if (can_move(stream))
				return stream;
			set_phase(stream, STREAM_STAYS); /* that was before */
		}
	return NULL;
}

void
streams_stay(struct device *device)
{
	struct stream *stream;

	while ((stream = stream_next_mover(device)) != NULL)
		set_phase(stream, STREAM_STAYS);
}

/* Note how much runs one way. */
static void
count_run(struct stream *stream, bool in, size_t len)
{
	struct device *device = stream->shared->device;

	if (stream->run_in != in)
		stream->run = 0;
	stream->run_in = in;
	if (stream->run <= LARGE_BYTES)
		stream->run += (uint32_t)len;
	if (stream->run <= LARGE_BYTES || stream->phase != STREAM_STEADY ||
	    !can_move(stream))
		return;
	set_phase(stream, STREAM_WAITS);
	(void)transfer_take_idle(device); /* perhaps for another */
	warm_tend(device);
}

void
stream_move(struct stream *stream, struct transfer *transfer)
{
	set_phase(stream, STREAM_MOVES);
	stream->transfer = transfer;
	mux_pause_raw(&stream->side);
	visitor_moves(stream->visitor);
}

void
stream_move_failed(struct stream *stream)
{
	stream->transfer = NULL;
	set_phase(stream, STREAM_STAYS);
	stream_raw_failed(&stream->side);
}

/* The agent's last word about it here: ours follows, and it is a visit of its new channel. */
static const char *
take_moved(struct stream *stream)
{
	struct shared *shared = stream->shared;
	struct transfer *transfer = stream->transfer;
	struct visitor *visitor = stream->visitor;

	if (visitor == NULL) { /* it was reset meanwhile */
		stream->out_ended = true;
		complete(stream);
		return NULL;
	}
	if (stream->phase != STREAM_MOVES)
		return "moved, and was not asked to";
	say(stream, CONTROL_MOVED, 0);
	stream_count(stream);
	mux_leave(&stream->side);
	stream->transfer = NULL;
	stream->visitor = NULL;
	visitor->stream = NULL;
	transfer_moved(transfer, visitor, stream->out_ended);
	stream_free(stream);
	shared_settle(shared);
	return NULL;
}

static void
take_stays(struct stream *stream)
{
	if (stream->phase != STREAM_MOVES)
		return;
	cancel_move(stream);
	visitor_answered(stream->visitor);
	mux_resume_raw(&stream->side);
}

/* ---- what the agent says ---- */

static void
answered(struct stream *stream)
{
	if (stream->answered || stream->visitor == NULL)
		return;
	stream->answered = true;
	visitor_answered(stream->visitor);
}

const char *
stream_take_payload(
    struct stream *stream, uint8_t *payload, size_t len, struct mux_step *step)
{
	if (stream->out_ended)
		return "payload outside of a visit";
	if (len > stream->side.window)
		return "payload beyond the window";
	answered(stream);
	if (len == 0) {
		stream->out_ended = true;
		mux_end_raw(&stream->side);
		complete(stream);
		return NULL;
	}
	if (stream->visitor != NULL)
		visitor_touched(stream->visitor);
	step->side = &stream->side;
	step->payload = payload;
	step->length = len;
	count_run(stream, false, len);
	return NULL;
}

/* The agent has reset its side, or refused the visitor. */
static void
take_abort(struct stream *stream, bool refused, struct str reason)
{
	if (stream->visitor != NULL && refused)
		visitor_refuse(part(stream), reason);
	else if (stream->visitor != NULL)
		visitor_abort(part(stream));
	stream->out_ended = true;
	if (!stream->in_ended)
		say_abort(stream);
	complete(stream);
}

const char *
stream_take_message(struct stream *stream, const struct control_msg *msg)
{
	switch (msg->op) {
	case CONTROL_OPENED:
		answered(stream);
		break;
	case CONTROL_REFUSED:
		if (!stream->out_ended)
			take_abort(stream, true, msg->reason);
		break;
	case CONTROL_ABORT:
		take_abort(stream, false, msg->reason);
		break;
	case CONTROL_CREDIT:
		if (!mux_give_credit(&stream->side, msg->bytes))
			return "more credit than can be counted";
		break;
	case CONTROL_MOVED:
		return take_moved(stream);
	case CONTROL_STAYS:
		take_stays(stream);
		break;
	default:
		break;
	}
	return NULL;
}

/* ---- the mux's questions ---- */

size_t
stream_encode(struct mux_side *side, uint8_t *payload, size_t len)
{
	struct stream *stream = of_side(side);
	uint8_t header[WS_HEADER_MAX + MUX_PREFIX_LEN];
	size_t size = put_header(stream, len, header);

	memcpy(payload - size, header, size);
	count_run(stream, true, len);
	return size;
}

void
stream_give_credit(struct mux_side *side, uint32_t bytes)
{
	say(of_side(side), CONTROL_CREDIT, bytes);
}

void
stream_raw_eof(struct mux_side *side)
{
	struct stream *stream = of_side(side);

	say_end(stream);
	complete(stream);
}

void
stream_raw_failed(struct mux_side *side)
{
	struct stream *stream = of_side(side);

	visitor_abort(part(stream));
	say_abort(
	    stream); /* after its end as well: who reads no more does not say so by that */
	await_end(stream);
	complete(stream);
}

/* ---- its end, otherwise ---- */

bool
stream_unanswered(struct stream *stream)
{
	switch (judge(stream)) {
	case STILL_COMING:
		return false;
	case DEAD:
		shared_give_up(stream->shared, "open was not answered");
		return true;
	case OVERDUE:
		break;
	}
	visitor_fail(part(stream), PAGE_OFFLINE);
	say_abort(stream);
	await_end(stream);
	complete(stream);
	return true;
}

void
stream_lost(struct stream *stream)
{
	uint64_t sent_bytes = stream->side.to_channel_bytes;
	struct visitor *visitor = NULL;

	if (stream->visitor != NULL)
		visitor = part(stream);
	mux_leave(&stream->side);
	stream_free(stream);
	if (visitor != NULL && !visitor_retry(visitor, sent_bytes))
		visitor_fail(visitor, PAGE_OFFLINE);
}
