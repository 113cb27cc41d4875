/* SPDX-License-Identifier: MIT */
/*
 * Frames are appended to the channel and flushed by a task, which the loop runs when every
 * connection that was ready has had its turn. In the other direction payload goes to its raw
 * side straight from the buffer that it was read to: only what the system does not take at
 * once is copied. It is written when the next thing was decoded, because an end right behind
 * it then travels in the same segment.
 */
#include "config.h"

#include <assert.h>
#include <string.h>

#include "net/mux.h"

/* Most that one callback reads of the channel; of a raw side it is a piece. */
#define TURN_BYTES BUF_LARGE
#define SMALL_PIECE 1024 /* bytes that are better copied than written alone */
#define QUEUE_BYTES (2u * BUF_LARGE)
/* On a channel that is kept short: a tenth of a second at 4 Mbit/s. */
#define SHORT_PIECE_BYTES 16384u
#define SHORT_QUEUE_BYTES (2u * SHORT_PIECE_BYTES)
#define SHORT_UNSENT_BYTES 16384u

static const struct conn_ops channel_conn_ops, raw_conn_ops;

static void flush_task_cb(void *ctx);

void
mux_init(struct mux *mux, struct conn *channel, const struct mux_ops *ops,
    void *owner)
{
	memset(mux, 0, sizeof(*mux));
	mux->loop = channel->loop;
	mux->channel = channel;
	mux->ops = ops;
	mux->owner = owner;
	mux->read_bytes = BUF_SMALL;
	mux->piece_bytes = BUF_LARGE;
	mux->queue_bytes = QUEUE_BYTES;
	TAILQ_INIT(&mux->stopped);
	task_init(&mux->flush_task, flush_task_cb, mux);
	conn_set_owner(channel, &channel_conn_ops, mux);
	conn_resume(channel);
}

void
mux_keep_short(struct mux *mux)
{
	mux->piece_bytes = SHORT_PIECE_BYTES;
	mux->queue_bytes = SHORT_QUEUE_BYTES;
	conn_bound_unsent(mux->channel, SHORT_UNSENT_BYTES);
}

int
mux_move_channel(struct mux *mux, struct conn *to)
{
	struct conn *from = mux->channel;

	mux->channel = to;
	return conn_move(to, from, &channel_conn_ops, mux);
}

void
mux_fini(struct mux *mux)
{
	assert(TAILQ_EMPTY(&mux->stopped));
	task_cancel(mux->loop, &mux->flush_task);
	(void)conn_flush(mux->channel);
	mux->pending = NULL;
}

/* ---- to the channel ---- */

/* The raw connection is there, and its callbacks are ours. */
static bool
has_raw(const struct mux_side *side)
{
	return side->raw != NULL && side->raw->owner == side;
}

/* Read the raw side on, unless something else holds it. */
static void
resume(struct mux_side *side)
{
	if (has_raw(side) && !side->raw_ended && !side->stopped &&
	    !side->paused)
		conn_resume(side->raw);
}

static void
start_again(struct mux_side *side)
{
	TAILQ_REMOVE(&side->mux->stopped, side, link);
	side->stopped = false;
	side->has_turn = true;
	resume(side);
}

/* The channel has room: those that have waited longest go on, as many as may fill it again. */
static void
unblock(struct mux *mux)
{
	struct mux_side *side;
	size_t bytes = 0;
	bool had_none = mux->blocked;

	mux->blocked = false;
	while (bytes < mux->queue_bytes &&
	    (side = TAILQ_FIRST(&mux->stopped)) != NULL) {
		bytes += side->read_bytes;
		start_again(side);
	}
	if (!TAILQ_EMPTY(&mux->stopped)) /* when these have had their turn */
		task_post(mux->loop, &mux->flush_task);
	if (had_none && mux->ops->has_room != NULL)
		mux->ops->has_room(mux->owner);
}

static void
flush(struct mux *mux)
{
	task_cancel(mux->loop, &mux->flush_task);
	(void)conn_flush(mux->channel); /* broken: channel_broken_cb comes */
	if (conn_queued(mux->channel) > 0)
		mux->blocked = true;
	else if (mux->blocked || !TAILQ_EMPTY(&mux->stopped))
		unblock(mux);
}

static void
flush_task_cb(void *ctx)
{
	flush(ctx);
}

void
mux_flush_soon(struct mux *mux)
{
	if (!conn_is_open(mux->channel))
		return;
	if (!mux->blocked && conn_queued(mux->channel) >= mux->queue_bytes)
		flush(mux);
	else
		task_post_last(mux->loop, &mux->flush_task);
}

/* Make the header in front of the next payload of a side: its length. */
static size_t
encode(struct mux_side *side, uint8_t *data, size_t len)
{
	struct mux *mux = side->mux;
	size_t header = mux->ops->encode(mux->owner, side, data, len);

	assert(header <= BUF_HEADROOM && len <= side->credit);
	side->credit -= (uint32_t)len;
	side->to_channel_bytes += len;
	return header;
}

/* Make buf's bytes from data on one message. */
static void
append_message(
    struct mux_side *side, struct buf **buf, uint8_t *data, size_t len)
{
	size_t header = encode(side, data, len);
	size_t offset = (size_t)(data - (*buf)->space);

	buf_add_span(
	    *buf, (uint32_t)(offset - header), (uint32_t)(header + len));
	(void)conn_append_buf(side->mux->channel, buf);
	mux_flush_soon(side->mux);
}

/* Send of the first bytes as much as there is credit for. */
static void
send_first(struct mux_side *side)
{
	size_t len =
	    side->first_len < side->credit ? side->first_len : side->credit;
	uint8_t *data;
	size_t header;

	if (side->first == NULL || len == 0 || side->paused)
		return;
	flow_charge(&side->read_turn, len);
	data = buf_data(side->first) + side->first_at;
	if (len == side->first_len) {
		append_message(side, &side->first, data, len);
		return;
	}
	header = encode(side, data, len);
	(void)conn_append(side->mux->channel, data - header, header + len);
	side->first_at += (uint32_t)len;
	side->first_len -= (uint32_t)len;
	mux_flush_soon(side->mux);
}

/* Behind the others; but who had a turn, and came too late to use it, goes before them. */
static void
wait_for_turn(struct mux_side *side)
{
	conn_pause(side->raw);
	if (side->stopped)
		return;
	side->stopped = true;
	if (side->has_turn)
		TAILQ_INSERT_HEAD(&side->mux->stopped, side, link);
	else
		TAILQ_INSERT_TAIL(&side->mux->stopped, side, link);
	side->has_turn = false;
}

/* While others wait for room, a side that has not waited waits behind them: the system reports
 * readiness in an order of its own, and the first in that would leave nothing to the last. */
static bool
take_turn(struct mux_side *side)
{
	if (side->has_turn || TAILQ_EMPTY(&side->mux->stopped))
		return true;
	wait_for_turn(side);
	return false;
}

/* May the raw side be read? If not, it is stopped until that may have changed. */
static bool
may_read(struct mux_side *side)
{
	if (side->mux->blocked) {
		wait_for_turn(side);
		return false;
	}
	side->has_turn = false;
	if (side->first == NULL && side->credit > 0)
		return true;
	conn_pause(side->raw);
	return false;
}

/* The most that may be read of a raw side at once. */
static size_t
piece_max(
    const struct mux *mux, const struct mux_side *side, const struct buf *buf)
{
	uint32_t max = buf->capacity;

	if (max > mux->piece_bytes)
		max = mux->piece_bytes;
	return max < side->credit ? max : side->credit;
}

/* Read up to *cap bytes, which becomes less where the rate says so; where it is not our turn,
 * pause. */
static ssize_t
read_in_turn(struct mux_side *side, struct buf *buf, size_t *cap)
{
	ssize_t got;

	if ((*cap = flow_take(&side->read_turn, *cap)) == 0) {
		conn_pause(side->raw);
		return CONN_AGAIN;
	}
	got = conn_read(side->raw, buf_data(buf), *cap);
	flow_return(&side->read_turn, got > 0 ? *cap - (size_t)got : *cap);
	return got;
}

static void
raw_readable_cb(struct conn *conn)
{
	struct mux_side *side = conn->owner;
	struct mux *mux = side->mux;
	size_t turn = 0;

	if (!take_turn(side))
		return;
	while (conn->readable && !conn->paused && turn < mux->piece_bytes &&
	    may_read(side)) {
		struct buf *buf = buf_get(side->read_bytes);
		size_t cap = buf != NULL ? piece_max(mux, side, buf) : 0;
		ssize_t got =
		    buf != NULL ? read_in_turn(side, buf, &cap) : CONN_ERROR;

		if (got > 0) {
			side->read_bytes =
			    buf_next_room(buf->capacity, cap, (size_t)got);
			turn += (size_t)got;
			append_message(side, &buf, buf_data(buf), (size_t)got);
			continue;
		}
		buf_put(&buf);
		if (got == 0) {
			side->raw_ended = true;
			conn_pause(conn);
			mux->ops->raw_eof(mux->owner, side);
		} else if (got == CONN_ERROR) {
			mux->ops->raw_failed(mux->owner, side);
		}
		return;
	}
}

bool
mux_give_credit(struct mux_side *side, uint64_t bytes)
{
	if (bytes > INT32_MAX || side->credit + bytes > INT32_MAX)
		return false;
	side->credit += (uint32_t)bytes;
	send_first(side);
	resume(side);
	return true;
}

void
mux_pause_raw(struct mux_side *side)
{
	side->paused = true;
	if (has_raw(side))
		conn_pause(side->raw);
}

void
mux_resume_raw(struct mux_side *side)
{
	side->paused = false;
	send_first(side);
	resume(side);
}

/* ---- to the raw side ---- */

/* What the raw side has taken is credit for the peer. */
static void
give_back(struct mux_side *side)
{
	uint32_t bytes = side->owed;

	if (side->discards || side->peer_ended || bytes < side->owed_max ||
	    conn_queued(side->raw) > 0 ||
	    !flow_admit(&side->credit_turn, bytes))
		return;
	if (side->credit_turn.flow != NULL)
		side->paid += bytes;
	side->owed = 0;
	side->window += bytes;
	side->mux->ops->credit(side->mux->owner, side, bytes);
	mux_flush_soon(side->mux);
}

static void
raw_drained_cb(struct conn *conn)
{
	give_back(conn->owner);
}

static void
raw_broken_cb(struct conn *conn)
{
	struct mux_side *side = conn->owner;

	side->mux->ops->raw_failed(side->mux->owner, side);
}

static const struct conn_ops raw_conn_ops = {
    .readable_cb = raw_readable_cb,
    .drained_cb = raw_drained_cb,
    .broken_cb = raw_broken_cb,
};

/* Keep what comes for a raw connection that is not there yet: its window bounds it. */
static int
keep_early(struct mux_side *side, const uint8_t *data, size_t len)
{
	if (buf_list_append(&side->early, data, len))
		return 0;
	while (len > 0) {
		size_t piece = len < BUF_LARGE ? len : BUF_LARGE;
		struct buf *buf = buf_get(piece);

		if (buf == NULL)
			return -1;
		memcpy(buf_data(buf), data, piece);
		buf_add_span(buf, BUF_HEADROOM, (uint32_t)piece);
		STAILQ_INSERT_TAIL(&side->early, buf, link);
		data += piece;
		len -= piece;
	}
	return 0;
}

/* Write what waits for what comes behind it: into the queue alone if that is more of the same, or
 * the end. */
static void
write_pending(struct mux *mux, bool more)
{
	struct mux_side *side = mux->pending;

	mux->pending = NULL;
	if (side == NULL)
		return;
	if (more)
		(void)conn_append(
		    side->raw, mux->pending_data, mux->pending_len);
	else
		(void)conn_write(
		    side->raw, mux->pending_data, mux->pending_len);
	if (has_raw(side))
		give_back(side);
}

/* What came was taken from the rate as credit was given for it, or is now. */
static void
pay(struct mux_side *side, size_t len)
{
	size_t paid = len < side->paid ? len : side->paid;

	side->paid -= (uint32_t)paid;
	flow_charge(&side->credit_turn, len - paid);
}

/* -1: no memory. */
static int
take_payload(struct mux *mux, const struct mux_step *step)
{
	struct mux_side *side = step->side;

	assert(step->length <= side->window);
	side->window -= (uint32_t)step->length;
	if (side->discards)
		return 0;
	pay(side, step->length);
	side->owed += (uint32_t)step->length;
	side->to_raw_bytes += step->length;
	if (side->raw == NULL)
		return keep_early(side, step->payload, step->length);
	mux->pending = side;
	mux->pending_data = step->payload;
	mux->pending_len = step->length;
	return 0;
}

static enum pump_verdict
decode(struct mux *mux, uint8_t *data, size_t len)
{
	mux->steps = 0;
	while (len > 0) {
		struct mux_step step = {0};

		if (mux->ops->decode(mux->owner, data, len, &step) == PUMP_GONE)
			return PUMP_GONE;
		assert(step.consumed > 0 && step.consumed <= len);
		mux->steps++;
		data += step.consumed;
		len -= step.consumed;
		if (step.length == 0)
			continue;
		/* with a system call for each, small pieces would hold the others up */
		write_pending(mux,
		    mux->pending == step.side &&
			mux->pending_len < SMALL_PIECE);
		if (take_payload(mux, &step) != 0) {
			mux->ops->channel_ended(mux->owner, PUMP_ERROR);
			return PUMP_GONE;
		}
	}
	write_pending(mux, false);
	return PUMP_STEP;
}

enum pump_verdict
mux_feed(struct mux *mux, const uint8_t *data, size_t len)
{
	while (len > 0) {
		size_t piece = len < BUF_LARGE ? len : BUF_LARGE;
		struct buf *buf = buf_get(piece);
		enum pump_verdict verdict;

		if (buf == NULL) {
			mux->ops->channel_ended(mux->owner, PUMP_ERROR);
			return PUMP_GONE;
		}
		memcpy(buf_data(buf), data, piece);
		verdict = decode(mux, buf_data(buf), piece);
		buf_put(&buf);
		if (verdict == PUMP_GONE)
			return PUMP_GONE;
		data += piece;
		len -= piece;
	}
	return PUMP_STEP;
}

static void
channel_readable_cb(struct conn *conn)
{
	struct mux *mux = conn->owner;
	size_t turn = 0;

	while (turn < TURN_BYTES && conn->readable) {
		struct buf *buf = buf_get(mux->read_bytes);
		ssize_t got = buf != NULL
		    ? conn_read(conn, buf_data(buf), mux->read_bytes)
		    : CONN_ERROR;
		enum pump_verdict verdict;
		uint32_t room;

		if (got <= 0) {
			buf_put(&buf);
			if (got != CONN_AGAIN)
				mux->ops->channel_ended(mux->owner,
				    got == 0 ? PUMP_EOF : PUMP_ERROR);
			return;
		}
		room = buf->capacity;
		verdict = decode(mux, buf_data(buf), (size_t)got);
		buf_put(&buf);
		if (verdict == PUMP_GONE)
			return;
		mux->read_bytes =
		    buf_next_channel_room(room, (size_t)got, mux->steps);
		turn += (size_t)got + mux->steps * BUF_STEP_BYTES;
	}
}

static void
channel_drained_cb(struct conn *conn)
{
	unblock(conn->owner);
}

static void
channel_broken_cb(struct conn *conn)
{
	struct mux *mux = conn->owner;

	mux->ops->channel_ended(mux->owner, PUMP_ERROR);
}

static const struct conn_ops channel_conn_ops = {
    .readable_cb = channel_readable_cb,
    .drained_cb = channel_drained_cb,
    .broken_cb = channel_broken_cb,
};

/* ---- a side's life ---- */

void
mux_side_init(
    struct mux_side *side, struct mux *mux, uint32_t credit, uint32_t window)
{
	memset(side, 0, sizeof(*side));
	side->mux = mux;
	side->credit = credit;
	side->window = window;
	side->owed_max = window / 2;
	side->read_bytes = BUF_SMALL;
	STAILQ_INIT(&side->early);
}

static void
read_wake_cb(struct flow_turn *turn)
{
	resume((struct mux_side *)(void *)((char *)turn -
	    offsetof(struct mux_side, read_turn)));
}

static void
credit_wake_cb(struct flow_turn *turn)
{
	struct mux_side *side = (struct mux_side *)(void *)((char *)turn -
	    offsetof(struct mux_side, credit_turn));

	if (has_raw(side))
		give_back(side);
}

void
mux_side_limit(struct mux_side *side, struct flow *flow)
{
	flow_turn_init(&side->read_turn, flow, read_wake_cb);
	flow_turn_init(&side->credit_turn, flow, credit_wake_cb);
}

static void
drop_kept(struct mux_side *side)
{
	struct buf *buf;

	while ((buf = STAILQ_FIRST(&side->early)) != NULL) {
		STAILQ_REMOVE_HEAD(&side->early, link);
		buf_put(&buf);
	}
	buf_put(&side->first);
}

void
mux_join(struct mux_side *side, struct conn *raw, struct buf **first,
    size_t first_len)
{
	struct buf *buf;

	assert(side->raw == NULL && !side->discards);
	side->raw = raw;
	conn_set_owner(raw, &raw_conn_ops, side);
	while ((buf = STAILQ_FIRST(&side->early)) != NULL) {
		STAILQ_REMOVE_HEAD(&side->early, link);
		(void)conn_append_buf(raw, &buf);
	}
	if (side->peer_ended)
		conn_shutdown(raw);
	else
		(void)conn_flush(raw);
	give_back(side);
	if (first != NULL && first_len > 0) {
		side->first = *first;
		side->first_at = 0;
		side->first_len = (uint32_t)first_len;
		*first = NULL;
		send_first(side);
	} else if (first != NULL) {
		buf_put(first);
	}
	resume(side);
}

void
mux_end_raw(struct mux_side *side)
{
	struct mux *mux = side->mux;

	side->peer_ended = true;
	write_pending(mux, mux->pending == side);
	if (side->raw != NULL)
		conn_shutdown(side->raw);
}

void
mux_hand_over(struct mux_side *side, struct conn *raw)
{
	/* what waits to be written has to go to the new place, too: the old one is closed */
	side->raw = raw;
	write_pending(side->mux, false);
	if (side->stopped) {
		TAILQ_REMOVE(&side->mux->stopped, side, link);
		side->stopped = false;
	}
}

void
mux_leave(struct mux_side *side)
{
	struct mux *mux = side->mux;

	side->discards = true;
	if (mux->pending == side)
		write_pending(mux, false);
	if (side->stopped)
		TAILQ_REMOVE(&mux->stopped, side, link);
	side->stopped = false;
	side->raw = NULL;
	flow_rest(&side->read_turn);
	flow_rest(&side->credit_turn);
	flow_return(&side->credit_turn, side->paid);
	side->paid = 0;
	drop_kept(side);
}
