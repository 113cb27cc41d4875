/* SPDX-License-Identifier: MIT */
/*
 * Back-pressure needs no watermarks of its own: a side is read only while the other
 * side's queue is empty, so that at most what one callback read can wait. What a callback
 * may read is bounded, so that one fast visit does not starve the others.
 */
#include "config.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "net/pump_internal.h"

#define TURN_BYTES                                                             \
	BUF_LARGE /* most that one callback reads, so that the others have their turn */

static const struct conn_ops channel_conn_ops, raw_conn_ops;

void
pump_init(struct pump *pump, struct conn *channel, const struct pump_ops *ops,
    void *owner)
{
	memset(pump, 0, sizeof(*pump));
	pump->channel = channel;
	pump->ops = ops;
	pump->owner = owner;
	pump->channel_read_bytes = pump->raw_read_bytes = BUF_SMALL;
	conn_set_owner(channel, &channel_conn_ops, pump);
	conn_resume(channel);
}

void
pump_fini(struct pump *pump)
{
	assert(!pump->away);
	flow_rest(&pump->raw_turn);
	flow_rest(&pump->channel_turn);
	buf_put(&pump->inbound);
	pump->raw = pump->channel = NULL;
	pump->rest_len = 0;
}

/* The channel is read on, unless its owner holds it. */
static void
resume_channel(struct pump *pump)
{
	if (!pump->held)
		conn_resume(pump->channel);
}

/* Put what was decoded so far into the raw side's queue. When there is more to decode behind it,
 * that moves to a buffer of its own: this happens only when one visit ends and the next
 * begins within one read. */
static int
queue_inbound(struct pump *pump)
{
	struct buf *rest = NULL;

	if (pump->inbound == NULL || pump->inbound->n_spans == 0)
		return 0;
	if (pump->rest_len > 0) {
		if ((rest = buf_get(pump->rest_len)) == NULL)
			return -1;
		memcpy(buf_data(rest), pump->rest, pump->rest_len);
		pump->rest = buf_data(rest);
	}
	if (pump->raw != NULL)
		(void)conn_append_buf(pump->raw, &pump->inbound);
	else
		buf_put(&pump->inbound);
	pump->inbound = rest;
	return 0;
}

/* By one thread at a time: the other only has a look. */
static void
show(_Atomic size_t *seen, uint64_t bytes)
{
	atomic_store_explicit(seen, (size_t)bytes, memory_order_relaxed);
}

static uint64_t
take(_Atomic size_t *seen, size_t *told)
{
	size_t now = atomic_load_explicit(seen, memory_order_relaxed);
	size_t more = now - *told;

	*told = now;
	return more;
}

void
pump_take_moved(struct pump *pump, uint64_t *to_channel, uint64_t *to_raw)
{
	*to_channel = take(&pump->seen_to_channel, &pump->told_to_channel);
	*to_raw = take(&pump->seen_to_raw, &pump->told_to_raw);
}

enum pump_verdict
pump_decode_inbound(struct pump *pump)
{
	pump->steps = 0;
	while (pump->rest_len > 0) {
		uint8_t *data = pump->rest;
		size_t len = pump->rest_len;
		struct pump_step step = {0};

		/* Owners that act on a message see what lies before it as decoded; how far
		 * the message reaches, they say in the step. */
		if (pump_decode(pump, data, len, &step) == PUMP_GONE)
			return PUMP_GONE;
		assert(step.consumed > 0 && step.consumed <= len);
		pump->steps++;
		pump->rest += step.consumed;
		pump->rest_len -= step.consumed;
		if (step.length > 0 && pump->raw != NULL) {
			pump->to_raw_bytes += step.length;
			show(&pump->seen_to_raw, pump->to_raw_bytes);
			buf_add_span(pump->inbound,
			    (uint32_t)(step.payload - pump->inbound->space),
			    (uint32_t)step.length);
		}
	}
	(void)queue_inbound(pump);
	buf_put(&pump->inbound);
	if (pump->raw != NULL) {
		(void)conn_flush(pump->raw);
		if (conn_queued(pump->raw) > 0)
			conn_pause(pump->channel);
	}
	return PUMP_STEP;
}

static enum pump_verdict
decode_buf(struct pump *pump, struct buf *buf, size_t len)
{
	pump->inbound = buf;
	pump->rest = buf_data(buf);
	pump->rest_len = len;
	return pump_decode_inbound(pump);
}

enum pump_verdict
pump_feed(struct pump *pump, const uint8_t *data, size_t len)
{
	while (len > 0) {
		size_t piece = len < BUF_LARGE ? len : BUF_LARGE;
		struct buf *buf = buf_get(piece);

		if (buf == NULL) {
			pump->ops->channel_ended(pump->owner, PUMP_ERROR);
			return PUMP_GONE;
		}
		memcpy(buf_data(buf), data, piece);
		if (decode_buf(pump, buf, piece) == PUMP_GONE)
			return PUMP_GONE;
		data += piece;
		len -= piece;
	}
	return PUMP_STEP;
}

/* Read up to `most` bytes into a new buffer, or pause where it is not our turn. */
static ssize_t
read_in_turn(
    struct conn *conn, struct flow_turn *turn, uint32_t most, struct buf **buf)
{
	size_t cap = flow_take(turn, most);
	ssize_t got = CONN_ERROR;

	*buf = NULL;
	if (cap == 0) {
		conn_pause(conn);
		return CONN_AGAIN;
	}
	if ((*buf = buf_get(most)) != NULL)
		got = conn_read(conn, buf_data(*buf), cap);
	flow_return(turn, got > 0 ? cap - (size_t)got : cap);
	return got;
}

static void
channel_readable_cb(struct conn *conn)
{
	struct pump *pump = conn->owner;
	size_t turn = 0;

	while (turn < TURN_BYTES && !conn->paused && conn->readable) {
		struct buf *buf;
		uint32_t room;
		ssize_t got = read_in_turn(
		    conn, &pump->channel_turn, pump->channel_read_bytes, &buf);

		if (got <= 0) {
			buf_put(&buf);
			if (got != CONN_AGAIN)
				pump_tell(pump,
				    got == 0 ? PUMP_CHANNEL_EOF
					     : PUMP_CHANNEL_ERROR);
			else
				pump_consider(pump);
			return;
		}
		room = buf->capacity;
		if (decode_buf(pump, buf, (size_t)got) == PUMP_GONE)
			return;
		pump->channel_read_bytes =
		    buf_next_channel_room(room, (size_t)got, pump->steps);
		turn += (size_t)got + pump->steps * BUF_STEP_BYTES;
	}
	pump_consider(pump);
}

static void
channel_drained_cb(struct conn *conn)
{
	struct pump *pump = conn->owner;

	if (pump->raw != NULL && !pump->raw_ended)
		conn_resume(pump->raw);
}

static void
channel_broken_cb(struct conn *conn)
{
	pump_tell(conn->owner, PUMP_CHANNEL_ERROR);
}

static const struct conn_ops channel_conn_ops = {
    .readable_cb = channel_readable_cb,
    .drained_cb = channel_drained_cb,
    .broken_cb = channel_broken_cb,
};

/* Make data of the raw side one frame. */
static void
append_frame(struct pump *pump, struct buf **buf, size_t len)
{
	size_t header = pump->ops->encode(pump->owner, buf_data(*buf), len);

	assert(header <= BUF_HEADROOM);
	pump->to_channel_bytes += len;
	show(&pump->seen_to_channel, pump->to_channel_bytes);
	buf_add_span(
	    *buf, (uint32_t)(BUF_HEADROOM - header), (uint32_t)(header + len));
	(void)conn_append_buf(
	    pump->channel, buf); /* broken: channel_broken_cb comes */
}

static void
flush_channel(struct pump *pump)
{
	(void)conn_flush(pump->channel);
	if (conn_queued(pump->channel) > 0)
		conn_pause(pump->raw);
}

static void
raw_readable_cb(struct conn *conn)
{
	struct pump *pump = conn->owner;
	size_t turn = 0;

	if (conn_queued(pump->channel) > 0)
		conn_pause(conn);
	while (turn < TURN_BYTES && !conn->paused && conn->readable) {
		struct buf *buf;
		ssize_t got = read_in_turn(
		    conn, &pump->raw_turn, pump->raw_read_bytes, &buf);

		if (got > 0) {
			pump->raw_read_bytes = buf_next_room(
			    buf->capacity, buf->capacity, (size_t)got);
			turn += (size_t)got;
			append_frame(pump, &buf, (size_t)got);
			/* the end is right behind: it goes along */
			if (!conn->hung_up)
				flush_channel(pump);
			continue;
		}
		buf_put(&buf);
		if (got == 0) {
			pump->raw_ended = true;
			conn_pause(conn);
			pump_tell(pump, PUMP_RAW_EOF);
		} else if (got == CONN_ERROR) {
			pump_tell(pump, PUMP_RAW_FAILED);
		} else {
			flush_channel(pump);
			if (got == CONN_AT_HOME)
				pump_tell(pump, PUMP_NO_NEWS);
			else
				pump_consider(pump);
		}
		return;
	}
	flush_channel(pump);
	pump_consider(pump);
}

static void
raw_drained_cb(struct conn *conn)
{
	struct pump *pump = conn->owner;

	resume_channel(pump);
}

static void
raw_connected_cb(struct conn *conn, const char *error)
{
	struct pump *pump = conn->owner;

	pump->ops->raw_connected(pump->owner, error);
}

static void
raw_broken_cb(struct conn *conn)
{
	pump_tell(conn->owner, PUMP_RAW_FAILED);
}

static const struct conn_ops raw_conn_ops = {
    .readable_cb = raw_readable_cb,
    .drained_cb = raw_drained_cb,
    .connected_cb = raw_connected_cb,
    .broken_cb = raw_broken_cb,
};

void
pump_join(
    struct pump *pump, struct conn *raw, struct buf **first, size_t first_len)
{
	assert(pump->raw == NULL);
	pump->raw = raw;
	pump->raw_ended = false;
	pump->to_channel_bytes = pump->to_raw_bytes = pump->mark_bytes = 0;
	pump->told_to_channel = pump->told_to_raw = 0;
	show(&pump->seen_to_channel, 0);
	show(&pump->seen_to_raw, 0);
	pump->raw_read_bytes = BUF_SMALL;
	conn_set_owner(raw, &raw_conn_ops, pump);
	conn_resume(raw);
	if (first != NULL && *first != NULL && first_len > 0) {
		flow_charge(&pump->raw_turn, first_len);
		append_frame(pump, first, first_len);
	}
	if (first != NULL)
		buf_put(first);
	flush_channel(pump);
	if (conn_queued(raw) > 0)
		conn_pause(pump->channel);
}

void
pump_end_raw(struct pump *pump)
{
	assert(!pump->away);
	if (pump->raw == NULL)
		return;
	if (queue_inbound(pump) != 0)
		pump->ops->raw_failed(pump->owner);
	else
		conn_shutdown(pump->raw);
}

void
pump_leave(struct pump *pump)
{
	assert(!pump->away);
	if (pump->raw == NULL)
		return;
	if (pump->inbound != NULL)
		pump->inbound->n_spans = 0;
	pump->raw = NULL;
	flow_rest(&pump->raw_turn);
	resume_channel(pump);
}

void
pump_hold(struct pump *pump, bool hold)
{
	assert(!pump->away);
	pump->held = hold;
	if (hold)
		conn_pause(pump->channel);
	else if (pump->raw == NULL || conn_queued(pump->raw) == 0)
		conn_resume(pump->channel);
}

static void
raw_wake_cb(struct flow_turn *turn)
{
	struct pump *pump = (struct pump *)(void *)((char *)turn -
	    offsetof(struct pump, raw_turn));

	if (pump->raw != NULL && !pump->raw_ended &&
	    conn_queued(pump->channel) == 0)
		conn_resume(pump->raw);
}

static void
channel_wake_cb(struct flow_turn *turn)
{
	struct pump *pump = (struct pump *)(void *)((char *)turn -
	    offsetof(struct pump, channel_turn));

	if (pump->raw == NULL || conn_queued(pump->raw) == 0)
		resume_channel(pump);
}

void
pump_limit(struct pump *pump, struct flow *flow)
{
	assert(!pump->away);
	if (pump->channel_turn.flow == flow)
		return;
	flow_rest(&pump->raw_turn);
	flow_rest(&pump->channel_turn);
	flow_turn_init(&pump->raw_turn, flow, raw_wake_cb);
	flow_turn_init(&pump->channel_turn, flow, channel_wake_cb);
	/* who stood in the old one's line stands in none now */
	raw_wake_cb(&pump->raw_turn);
	channel_wake_cb(&pump->channel_turn);
}
