/* SPDX-License-Identifier: MIT */
/*
 * A shared channel (docs/PROTOCOL.md sections 5.6 to 5.8): a transfer channel that carries
 * visits at once, and from which they may move.
 */
#include "sdk/transfer.h"
#include "sdk/visits.h"

struct mux {
	struct transfer transfer;
	struct visits visits;
};

_Static_assert(sizeof(struct mux) <= sizeof(struct taupe_mux) &&
	_Alignof(struct mux) <= _Alignof(struct taupe_mux),
    "TAUPE_MUX too small");

static struct mux *
mux_of(struct taupe_mux *mux)
{
	return (struct mux *)(void *)mux;
}

static const struct mux *
const_mux_of(const struct taupe_mux *mux)
{
	return (const struct mux *)(const void *)mux;
}

/* ---- the channel ---- */

bool
taupe_mux_init(struct taupe_mux *mux, const struct taupe_config *config,
    const struct taupe_relay *relay, const char *id, struct taupe_visit *visits,
    size_t n_visits, void *buffer, size_t size)
{
	struct mux *m = mux_of(mux);

	memset(m, 0, sizeof(*m));
	if (n_visits == 0 || n_visits > MUX_VISITS_MAX)
		return false;
	visits_init(&m->visits, config, visits, n_visits);
	return transfer_init(&m->transfer, config, relay, id, buffer, size);
}

void
taupe_mux_set_buffer(struct taupe_mux *mux, void *buffer, size_t size)
{
	channel_set_buffer(&mux_of(mux)->transfer.channel, buffer, size);
}

const uint8_t *
taupe_mux_request(const struct taupe_mux *mux, size_t *len)
{
	return transfer_request(&const_mux_of(mux)->transfer, len);
}

/* ---- what the relay says ---- */

static const char *
take_message(
    struct mux *m, const struct ws_event *event, struct taupe_step *step)
{
	struct control_msg msg;
	const char *error;

	if (control_msg_decode((char *)event->data, event->len, &msg, &error) !=
	    WIRE_DONE)
		return error;
	if (msg.op == CONTROL_UNKNOWN)
		return NULL;
	if (!visits_takes(msg.op))
		return SAYS("a message that has no place on a shared channel");
	return visits_take_message(
	    &m->visits, &m->transfer.channel, &msg, step);
}

static const char *
take(struct transfer *t, const struct ws_event *event, struct taupe_step *step)
{
	struct mux *m = (struct mux *)(void *)t;

	return event->type == WS_TEXT
	    ? take_message(m, event, step)
	    : visits_take_bytes(&m->visits, event, step);
}

size_t
taupe_mux_input(
    struct taupe_mux *mux, uint8_t *data, size_t len, struct taupe_step *step)
{
	return transfer_input(&mux_of(mux)->transfer, data, len, take, step);
}

/* ---- what the driver says ---- */

size_t
taupe_mux_frame(struct taupe_mux *mux, size_t visit, size_t len,
    uint8_t header[TAUPE_MUX_HEADER_MAX], uint8_t mask[4])
{
	struct mux *m = mux_of(mux);

	return transfer_is_ready(&m->transfer)
	    ? visits_frame(
		  &m->visits, &m->transfer.channel, visit, len, header, mask)
	    : 0;
}

static size_t
say(struct mux *m, size_t visit, enum visit_word word, const char *reason,
    uint8_t out[TAUPE_MESSAGE_MAX])
{
	return transfer_is_ready(&m->transfer)
	    ? visits_say(
		  &m->visits, &m->transfer.channel, visit, word, reason, out)
	    : 0;
}

size_t
taupe_mux_opened(
    struct taupe_mux *mux, size_t visit, uint8_t out[TAUPE_MESSAGE_MAX])
{
	return say(mux_of(mux), visit, VISIT_OPENED, NULL, out);
}

size_t
taupe_mux_refused(struct taupe_mux *mux, size_t visit, const char *reason,
    uint8_t out[TAUPE_MESSAGE_MAX])
{
	char safe[SAFE_REASON_MAX + 1];

	return say(mux_of(mux), visit, VISIT_REFUSED,
	    channel_safe_reason(reason, safe), out);
}

size_t
taupe_mux_eof(
    struct taupe_mux *mux, size_t visit, uint8_t out[TAUPE_MESSAGE_MAX])
{
	return say(mux_of(mux), visit, VISIT_END, NULL, out);
}

size_t
taupe_mux_abort(
    struct taupe_mux *mux, size_t visit, uint8_t out[TAUPE_MESSAGE_MAX])
{
	return say(mux_of(mux), visit, VISIT_ABORT, NULL, out);
}

size_t
taupe_mux_credit(struct taupe_mux *mux, size_t visit, uint32_t bytes,
    uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct mux *m = mux_of(mux);

	return transfer_is_ready(&m->transfer)
	    ? visits_credit(&m->visits, &m->transfer.channel, visit, bytes, out)
	    : 0;
}

/* ---- moving ---- */

bool
taupe_mux_find(const struct taupe_mux *mux, uint32_t stream, size_t *visit)
{
	const struct mux *m = const_mux_of(mux);
	const struct visit_slot *slot = visits_find(&m->visits, stream);

	if (!transfer_is_ready(&m->transfer) || slot == NULL || slot->moving ||
	    visit_state_is(&slot->visit, VISIT_IN_ENDED | VISIT_ABORTED))
		return false;
	*visit = visits_place(&m->visits, slot);
	return true;
}

static size_t
say_about_move(const struct mux *m, enum control_op op, uint32_t number,
    uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct control_msg msg = {.op = op, .visit = number};

	return channel_message(
	    &m->transfer.channel, &msg, out, TAUPE_MESSAGE_MAX);
}

size_t
taupe_mux_move(
    struct taupe_mux *mux, size_t visit, uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct mux *m = mux_of(mux);
	struct visit_slot *slot;

	if (!transfer_is_ready(&m->transfer) ||
	    (slot = visits_slot_to_speak(&m->visits, visit)) == NULL ||
	    visit_state_is(&slot->visit, VISIT_IN_ENDED | VISIT_ABORTED))
		return 0;
	slot->moving = true;
	slot->visit.flags |= VISIT_OUT_ENDED;
	return say_about_move(m, CONTROL_MOVED, slot->number, out);
}

size_t
taupe_mux_stay(const struct taupe_mux *mux, uint32_t stream,
    uint8_t out[TAUPE_MESSAGE_MAX])
{
	const struct mux *m = const_mux_of(mux);

	return transfer_is_ready(&m->transfer)
	    ? say_about_move(m, CONTROL_STAYS, stream, out)
	    : 0;
}

/* ---- its end ---- */

size_t
taupe_mux_close(struct taupe_mux *mux, uint8_t out[TAUPE_MESSAGE_MAX])
{
	return transfer_close(&mux_of(mux)->transfer, out);
}

bool
taupe_mux_is_idle(const struct taupe_mux *mux)
{
	const struct mux *m = const_mux_of(mux);

	return transfer_is_ready(&m->transfer) && m->visits.n_used == 0;
}

bool
taupe_mux_is_over(const struct taupe_mux *mux, size_t visit)
{
	const struct mux *m = const_mux_of(mux);

	return !transfer_is_ready(&m->transfer) ||
	    !visit_state_is(&m->visits.slots[visit].visit, VISIT_RUNNING);
}

uint32_t
taupe_mux_visit(const struct taupe_mux *mux)
{
	return const_mux_of(mux)->visits.last;
}
