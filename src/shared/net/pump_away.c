/* SPDX-License-Identifier: MIT */
/*
 * By which thread a pump runs. At home it is the one of everybody else. A visit that has proved
 * to be a bulk stream goes to the worker with both its connections, and is pumped there by the
 * same functions, as long as nothing but payload passes; with whatever else comes it goes home,
 * where that is looked at: bytes that were read stand in pump->inbound, an end or an error in
 * pump->news.
 *
 * While pump->away is set, all of the pump, of its connections and of what the owner's encode
 * and decode_payload use belongs to the worker, or to nobody when it is under way; only `away`
 * itself, `worker` and `guest` are home's to look at.
 */
#include "config.h"

#include <assert.h>
#include <stddef.h>

#include "net/pump_internal.h"

/* A visit that moves so many bytes within the one time is a bulk stream, and one that takes longer than
 * the other is none any more. */
#define BULK_BYTES (4u << 20)
#define BULK_BEGIN_MS 200
#define BULK_END_MS 1000

static struct pump *
pump_of(struct guest *guest)
{
	return (struct pump *)(void *)((char *)guest -
	    offsetof(struct pump, guest));
}

static void
leave_loop(struct pump *pump)
{
	conn_leave_loop(pump->channel);
	conn_leave_loop(pump->raw);
}

static void
enter_loop(struct pump *pump, struct loop *loop)
{
	conn_enter_loop(pump->channel, loop);
	conn_enter_loop(pump->raw, loop);
}

static uint64_t
moved_bytes(const struct pump *pump)
{
	return pump->to_channel_bytes + pump->to_raw_bytes;
}

static uint32_t
now_ms(const struct pump *pump)
{
	return (uint32_t)loop_now_ms(worker_home(pump->worker));
}

static void
set_mark(struct pump *pump)
{
	pump->mark_bytes = moved_bytes(pump);
	pump->mark_ms = now_ms(pump);
}

/* ---- by the worker's thread ---- */

static void
arrived_cb(struct guest *guest, struct loop *loop)
{
	enter_loop(pump_of(guest), loop);
}

static void
recalled_cb(struct guest *guest)
{
	leave_loop(pump_of(guest));
}

static void
go_home(struct pump *pump)
{
	leave_loop(pump);
	worker_return(pump->worker, &pump->guest);
}

/* ---- by either thread ---- */

enum pump_verdict
pump_decode(
    struct pump *pump, uint8_t *data, size_t len, struct pump_step *step)
{
	if (!pump->away)
		return pump->ops->decode(pump->owner, data, len, step);
	if (pump->ops->decode_payload(pump->owner, data, len, step))
		return PUMP_STEP;
	go_home(pump);
	return PUMP_GONE;
}

static void
deliver(struct pump *pump, enum pump_news news)
{
	switch (news) {
	case PUMP_NO_NEWS:
		break;
	case PUMP_RAW_EOF:
		pump->ops->raw_eof(pump->owner);
		break;
	case PUMP_RAW_FAILED:
		pump->ops->raw_failed(pump->owner);
		break;
	case PUMP_CHANNEL_EOF:
		pump->ops->channel_ended(pump->owner, PUMP_EOF);
		break;
	case PUMP_CHANNEL_ERROR:
		pump->ops->channel_ended(pump->owner, PUMP_ERROR);
		break;
	}
}

void
pump_tell(struct pump *pump, enum pump_news news)
{
	if (!pump->away) {
		deliver(pump, news);
		return;
	}
	pump->news = news;
	go_home(pump);
}

void
pump_consider(struct pump *pump)
{
	bool much = moved_bytes(pump) - pump->mark_bytes >= BULK_BYTES;
	uint32_t taken_ms;

	if (pump->worker == NULL || (!much && !pump->away))
		return;
	taken_ms = now_ms(pump) - pump->mark_ms;
	if (much)
		set_mark(pump);
	if (!pump->away && taken_ms <= BULK_BEGIN_MS)
		pump_send_away(pump);
	else if (pump->away && taken_ms > BULK_END_MS)
		go_home(pump);
	else if (pump->away)
		worker_attend(pump->worker);
}

/* ---- at home ---- */

static void
come_home(struct pump *pump)
{
	pump->away = false;
	enter_loop(pump, worker_home(pump->worker));
}

static void
returned_cb(struct guest *guest)
{
	struct pump *pump = pump_of(guest);
	enum pump_news news = pump->news;

	assert(pump->rest_len == 0 || news == PUMP_NO_NEWS);
	pump->news = PUMP_NO_NEWS;
	come_home(pump);
	if (pump->rest_len > 0)
		(void)pump_decode_inbound(pump);
	else
		deliver(pump, news);
}

static const struct guest_ops pump_guest_ops = {
    .arrived = arrived_cb,
    .recalled = recalled_cb,
    .returned = returned_cb,
};

void
pump_use_worker(struct pump *pump, struct worker *worker)
{
	assert(
	    pump->ops->may_leave != NULL && pump->ops->decode_payload != NULL);
	pump->worker = worker;
	pump->guest.ops = &pump_guest_ops;
}

void
pump_send_away(struct pump *pump)
{
	assert(!pump->away && pump->inbound == NULL);
	if (pump->raw == NULL || pump->held || pump->raw_turn.flow != NULL ||
	    !pump->ops->may_leave(pump->owner))
		return;
	set_mark(pump);
	leave_loop(pump);
	pump->away = true;
	if (!worker_send(pump->worker, &pump->guest))
		come_home(pump);
}

void
pump_recall(struct pump *pump)
{
	if (!pump->away)
		return;
	worker_recall(pump->worker, &pump->guest);
	come_home(pump);
	pump->news = PUMP_NO_NEWS;
	pump->rest_len = 0;
	buf_put(&pump->inbound);
}
