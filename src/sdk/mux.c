/* SPDX-License-Identifier: MIT */
/*
 * A shared channel (docs/PROTOCOL.md sections 5.6 to 5.8). Each visit has a slot of the
 * driver's array, found by its number through a hash that lies in the slots themselves: the
 * numbers rise by one, so that they spread over the chains evenly.
 */
#include "sdk/transfer.h"
#include "sdk/visit_state.h"
#include "wire/mux_frame.h"

#define NO_SLOT UINT16_MAX

struct slot {
	uint32_t number;
	uint32_t window; /* bytes that the relay may still send */
	uint32_t credit; /* bytes that we may still send */
	uint16_t first;	 /* of the chain with this place */
	uint16_t next;	 /* in its chain, or in the list of free ones */
	struct visit_state visit;
	bool moving; /* our last word was said, the relay's is awaited */
};

struct mux {
	struct transfer transfer;
	struct slot *slots;
	struct mux_reader reader;
	uint32_t last;	 /* number of the last visit */
	uint32_t window; /* of each visit, at its beginning */
	uint16_t n_slots, n_used, free;
};

_Static_assert(sizeof(struct slot) == sizeof(struct taupe_visit) &&
	_Alignof(struct slot) <= _Alignof(struct taupe_visit),
    "TAUPE_VISIT");
_Static_assert(sizeof(struct mux) <= sizeof(struct taupe_mux) &&
	_Alignof(struct mux) <= _Alignof(struct taupe_mux),
    "TAUPE_MUX too small");
_Static_assert(TAUPE_MUX_HEADER_MAX == WS_HEADER_MAX + MUX_PREFIX_LEN &&
	TAUPE_MUX_WINDOW == MUX_WINDOW &&
	TAUPE_MUX_VISITS_MAX == MUX_VISITS_MAX,
    "one protocol");
_Static_assert(MUX_VISITS_MAX <= NO_SLOT, "a place has 16 bits");

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

/* ---- slots ---- */

static void
free_all_slots(struct mux *m)
{
	memset(m->slots, 0, m->n_slots * sizeof(*m->slots));
	m->free = NO_SLOT;
	for (uint16_t i = m->n_slots; i-- > 0;) {
		m->slots[i].first = NO_SLOT;
		m->slots[i].next = m->free;
		m->free = i;
	}
}

static uint16_t *
chain_of(struct mux *m, uint32_t number)
{
	return &m->slots[number % m->n_slots].first;
}

/* NULL: such a visit is over, or never was. */
static struct slot *
find_slot(const struct mux *m, uint64_t number)
{
	uint16_t i = m->slots[number % m->n_slots].first;

	while (i != NO_SLOT && m->slots[i].number != number)
		i = m->slots[i].next;
	return i != NO_SLOT ? &m->slots[i] : NULL;
}

static size_t
place_of(const struct mux *m, const struct slot *slot)
{
	return (size_t)(slot - m->slots);
}

/* Precondition: one is free. */
static struct slot *
take_slot(struct mux *m, uint32_t number)
{
	uint16_t place = m->free, *chain = chain_of(m, number);
	struct slot *slot = &m->slots[place];

	m->free = slot->next;
	m->n_used++;
	slot->number = number;
	slot->window = m->window;
	slot->credit = MUX_WINDOW;
	slot->moving = false;
	slot->next = *chain;
	*chain = place;
	return slot;
}

/* After anything that may have ended the visit. */
static void
settle(struct mux *m, struct slot *slot)
{
	uint16_t place = (uint16_t)place_of(m, slot), *link;

	if (slot->visit.running)
		return;
	link = chain_of(m, slot->number);
	while (*link != place)
		link = &m->slots[*link].next;
	*link = slot->next;
	slot->next = m->free;
	m->free = place;
	m->n_used--;
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
	m->slots = (struct slot *)(void *)visits;
	m->n_slots = (uint16_t)n_visits;
	m->window = config->mux_window != 0 ? config->mux_window : MUX_WINDOW;
	free_all_slots(m);
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

static void
protest(struct mux *m, struct taupe_step *step, const char *reason)
{
	transfer_protest(&m->transfer, step, reason);
}

static void
take_open(struct mux *m, const struct control_msg *msg, struct taupe_step *step)
{
	struct slot *slot;

	if (msg->visit != (uint64_t)m->last + 1 || m->last == MUX_VISIT_MAX) {
		protest(m, step, "open with a visit out of turn");
		return;
	}
	if (m->free == NO_SLOT) {
		protest(m, step, "more visits at once than were offered");
		return;
	}
	m->last = (uint32_t)msg->visit;
	slot = take_slot(m, m->last);
	step->visit = place_of(m, slot);
	visit_state_begin(&slot->visit, &m->transfer.channel, msg, step);
}

static void
take_credit(
    struct mux *m, struct slot *slot, uint64_t bytes, struct taupe_step *step)
{
	if (!visit_state_can_speak(&slot->visit))
		return;
	if (bytes > (uint64_t)INT32_MAX - slot->credit) {
		protest(m, step, "more credit than can be counted");
		return;
	}
	slot->credit += (uint32_t)bytes;
	step->type = TAUPE_STEP_CREDIT;
	step->visit = place_of(m, slot);
	step->bytes = (uint32_t)bytes;
}

static void
take_moved(struct mux *m, struct slot *slot, struct taupe_step *step)
{
	if (!slot->moving) {
		protest(m, step, "moved, and the visit was not to move");
		return;
	}
	step->type = TAUPE_STEP_MOVED;
	step->visit = place_of(m, slot);
	slot->visit.running = false;
	settle(m, slot);
}

static void
take_abort(struct mux *m, struct slot *slot, struct taupe_step *step)
{
	step->visit = place_of(m, slot);
	visit_state_take_abort(
	    &slot->visit, &m->transfer.channel, slot->number, step);
	settle(m, slot);
}

/* A message about a visit that was opened before. */
static void
take_about_visit(
    struct mux *m, const struct control_msg *msg, struct taupe_step *step)
{
	struct slot *slot = find_slot(m, msg->visit);

	if (slot == NULL)
		return; /* late */
	if (msg->op == CONTROL_ABORT)
		take_abort(m, slot, step);
	else if (msg->op == CONTROL_CREDIT)
		take_credit(m, slot, msg->bytes, step);
	else
		take_moved(m, slot, step);
}

static void
take_message(
    struct mux *m, const struct channel_event *event, struct taupe_step *step)
{
	struct control_msg msg;
	const char *error;

	if (control_msg_decode((char *)event->data, event->len, &msg, &error) !=
	    WIRE_DONE) {
		protest(m, step, error);
		return;
	}
	switch (msg.op) {
	case CONTROL_UNKNOWN:
		break;
	case CONTROL_OPEN:
		take_open(m, &msg, step);
		break;
	case CONTROL_ABORT:
	case CONTROL_CREDIT:
	case CONTROL_MOVED:
		if (msg.visit == 0)
			protest(m, step, "abort without a visit");
		else
			take_about_visit(m, &msg, step);
		break;
	default:
		protest(
		    m, step, "a message that has no place on a shared channel");
	}
}

static void
take_payload(struct mux *m, struct slot *slot, uint8_t *data, size_t len,
    struct taupe_step *step)
{
	const char *error;

	if (len > slot->window) {
		protest(m, step, "payload beyond the window");
		return;
	}
	slot->window -= (uint32_t)len;
	error = visit_state_take_payload(&slot->visit, data, len, step);
	if (error != NULL)
		protest(m, step, error);
	step->visit = place_of(m, slot);
}

static void
take_end(struct mux *m, struct slot *slot, struct taupe_step *step)
{
	const char *error = slot->moving
	    ? "an end in place of the last word"
	    : visit_state_take_end(&slot->visit, step);

	if (error != NULL) {
		protest(m, step, error);
		return;
	}
	step->visit = place_of(m, slot);
	settle(m, slot);
}

static void
take_bytes(
    struct mux *m, const struct channel_event *event, struct taupe_step *step)
{
	uint8_t *payload;
	size_t len;
	struct slot *slot;
	enum mux_result result = mux_reader_take(&m->reader, event->first,
	    event->last, event->data, event->len, &payload, &len);

	if (result == MUX_MORE)
		return;
	if (result == MUX_BAD) {
		protest(m, step, "a binary message shorter than its prefix");
		return;
	}
	if ((slot = find_slot(m, m->reader.visit)) == NULL)
		protest(m, step, "payload without a visit");
	else if (result == MUX_DATA)
		take_payload(m, slot, payload, len, step);
	else
		take_end(m, slot, step);
}

static void
take(struct transfer *t, const struct channel_event *event,
    struct taupe_step *step)
{
	struct mux *m = (struct mux *)(void *)t;

	if (event->result == CHANNEL_TEXT)
		take_message(m, event, step);
	else
		take_bytes(m, event, step);
}

size_t
taupe_mux_input(
    struct taupe_mux *mux, uint8_t *data, size_t len, struct taupe_step *step)
{
	return transfer_input(&mux_of(mux)->transfer, data, len, take, step);
}

/* ---- what the driver says ---- */

/* The slot, if something may be said about its visit; else NULL. */
static struct slot *
slot_to_speak(struct mux *m, size_t visit)
{
	struct slot *slot = &m->slots[visit];

	return transfer_is_ready(&m->transfer) && slot->visit.running &&
		!slot->moving
	    ? slot
	    : NULL;
}

size_t
taupe_mux_frame(struct taupe_mux *mux, size_t visit, size_t len,
    uint8_t header[TAUPE_MUX_HEADER_MAX], uint8_t mask[4])
{
	struct mux *m = mux_of(mux);
	struct slot *slot = slot_to_speak(m, visit);
	uint8_t *prefix;
	size_t header_len;

	if (slot == NULL || !visit_state_can_speak(&slot->visit) || len == 0 ||
	    len > slot->credit)
		return 0;
	slot->visit.answered = true;
	slot->credit -= (uint32_t)len;
	header_len =
	    transfer_frame(&m->transfer, MUX_PREFIX_LEN + len, header, mask);
	prefix = header + header_len;
	mux_prefix_encode(slot->number, prefix);
	ws_mask(prefix, MUX_PREFIX_LEN, mask, 0);
	return header_len + MUX_PREFIX_LEN;
}

size_t
taupe_mux_opened(
    struct taupe_mux *mux, size_t visit, uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct mux *m = mux_of(mux);
	struct slot *slot = slot_to_speak(m, visit);

	return slot != NULL ? visit_state_opened(&slot->visit,
				  &m->transfer.channel, slot->number, out)
			    : 0;
}

size_t
taupe_mux_refused(struct taupe_mux *mux, size_t visit, const char *reason,
    uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct mux *m = mux_of(mux);
	struct slot *slot = slot_to_speak(m, visit);
	size_t len;

	if (slot == NULL)
		return 0;
	len = visit_state_refused(
	    &slot->visit, &m->transfer.channel, slot->number, reason, out);
	settle(m, slot);
	return len;
}

size_t
taupe_mux_eof(
    struct taupe_mux *mux, size_t visit, uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct mux *m = mux_of(mux);
	struct slot *slot = slot_to_speak(m, visit);
	uint8_t prefix[MUX_PREFIX_LEN];

	if (slot == NULL || !visit_state_end(&slot->visit))
		return 0;
	mux_prefix_encode(slot->number, prefix);
	settle(m, slot);
	return channel_frame(
	    &m->transfer.channel, WS_OP_BINARY, prefix, sizeof(prefix), out);
}

size_t
taupe_mux_abort(
    struct taupe_mux *mux, size_t visit, uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct mux *m = mux_of(mux);
	struct slot *slot = slot_to_speak(m, visit);
	size_t len;

	if (slot == NULL)
		return 0;
	len = visit_state_abort(
	    &slot->visit, &m->transfer.channel, slot->number, out);
	settle(m, slot);
	return len;
}

size_t
taupe_mux_credit(struct taupe_mux *mux, size_t visit, uint32_t bytes,
    uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct mux *m = mux_of(mux);
	struct slot *slot = slot_to_speak(m, visit);
	struct control_msg msg = {.op = CONTROL_CREDIT, .bytes = bytes};

	if (slot == NULL || slot->visit.in_ended || slot->visit.aborted ||
	    bytes == 0 || bytes > MUX_WINDOW_MAX)
		return 0;
	slot->window += bytes;
	msg.visit = slot->number;
	return channel_message(
	    &m->transfer.channel, &msg, out, TAUPE_MESSAGE_MAX);
}

/* ---- moving ---- */

bool
taupe_mux_find(const struct taupe_mux *mux, uint32_t stream, size_t *visit)
{
	const struct mux *m = const_mux_of(mux);
	const struct slot *slot = find_slot(m, stream);

	if (!transfer_is_ready(&m->transfer) || slot == NULL || slot->moving ||
	    slot->visit.in_ended || slot->visit.aborted)
		return false;
	*visit = place_of(m, slot);
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
	struct slot *slot = slot_to_speak(m, visit);

	if (slot == NULL || slot->visit.in_ended || slot->visit.aborted)
		return 0;
	slot->moving = slot->visit.out_ended = true;
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

	return transfer_is_ready(&m->transfer) && m->n_used == 0;
}

bool
taupe_mux_is_over(const struct taupe_mux *mux, size_t visit)
{
	const struct mux *m = const_mux_of(mux);

	return !transfer_is_ready(&m->transfer) ||
	    !m->slots[visit].visit.running;
}

uint32_t
taupe_mux_visit(const struct taupe_mux *mux)
{
	return const_mux_of(mux)->last;
}
