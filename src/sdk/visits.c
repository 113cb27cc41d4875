/* SPDX-License-Identifier: MIT */
/*
 * A slot is found by its visit's number through a hash that lies in the slots themselves: the
 * numbers rise by one, so that they spread over the chains evenly.
 */
#include "sdk/visits.h"

#define NO_SLOT UINT16_MAX

_Static_assert(sizeof(struct visit_slot) == sizeof(struct taupe_visit) &&
	_Alignof(struct visit_slot) <= _Alignof(struct taupe_visit),
    "TAUPE_VISIT");
_Static_assert(TAUPE_MUX_HEADER_MAX == WS_HEADER_MAX + MUX_PREFIX_LEN &&
	TAUPE_MUX_WINDOW == MUX_WINDOW &&
	TAUPE_MUX_VISITS_MAX == MUX_VISITS_MAX,
    "one protocol");
_Static_assert(MUX_VISITS_MAX <= NO_SLOT, "a place has 16 bits");

/* ---- slots ---- */

void
visits_init(struct visits *v, const struct taupe_config *config,
    struct taupe_visit *room, size_t n_slots)
{
	memset(v, 0, sizeof(*v));
	v->slots = (struct visit_slot *)(void *)room;
	v->n_slots = (uint16_t)n_slots;
	v->window = config->mux_window != 0 ? config->mux_window : MUX_WINDOW;
	memset(v->slots, 0, n_slots * sizeof(*v->slots));
	v->free = NO_SLOT;
	for (uint16_t i = v->n_slots; i-- > 0;) {
		v->slots[i].first = NO_SLOT;
		v->slots[i].next = v->free;
		v->free = i;
	}
}

static uint16_t *
chain_of(struct visits *v, uint32_t number)
{
	return &v->slots[number % v->n_slots].first;
}

struct visit_slot *
visits_find(const struct visits *v, uint64_t number)
{
	uint16_t i = v->slots[number % v->n_slots].first;

	while (i != NO_SLOT && v->slots[i].number != number)
		i = v->slots[i].next;
	return i != NO_SLOT ? &v->slots[i] : NULL;
}

/* Precondition: one is free. */
static struct visit_slot *
take_slot(struct visits *v, uint32_t number)
{
	uint16_t place = v->free, *chain = chain_of(v, number);
	struct visit_slot *slot = &v->slots[place];

	v->free = slot->next;
	v->n_used++;
	slot->number = number;
	slot->window = v->window;
	slot->credit = MUX_WINDOW;
	slot->moving = false;
	slot->next = *chain;
	*chain = place;
	return slot;
}

/* After anything that may have ended the visit. */
static void
settle(struct visits *v, struct visit_slot *slot)
{
	uint16_t place = (uint16_t)visits_place(v, slot), *link;

	if (slot->visit.running)
		return;
	link = chain_of(v, slot->number);
	while (*link != place)
		link = &v->slots[*link].next;
	*link = slot->next;
	slot->next = v->free;
	v->free = place;
	v->n_used--;
}

/* ---- what the relay says ---- */

static const char *
take_open(struct visits *v, const struct channel *c,
    const struct control_msg *msg, struct taupe_step *step)
{
	struct visit_slot *slot;

	if (msg->visit != (uint64_t)v->last + 1 || v->last == MUX_VISIT_MAX)
		return "open with a visit out of turn";
	if (v->free == NO_SLOT)
		return "more visits at once than were offered";
	v->last = (uint32_t)msg->visit;
	slot = take_slot(v, v->last);
	step->visit = visits_place(v, slot);
	if (v->closing)
		visit_state_begin_refused(
		    &slot->visit, c, msg->visit, STR("the agent stops"), step);
	else
		visit_state_begin(&slot->visit, c, msg, step);
	return NULL;
}

static const char *
take_credit(struct visits *v, struct visit_slot *slot, uint64_t bytes,
    struct taupe_step *step)
{
	if (!visit_state_can_speak(&slot->visit))
		return NULL;
	if (bytes > (uint64_t)INT32_MAX - slot->credit)
		return "more credit than can be counted";
	slot->credit += (uint32_t)bytes;
	step->type = TAUPE_STEP_CREDIT;
	step->visit = visits_place(v, slot);
	step->bytes = (uint32_t)bytes;
	return NULL;
}

static const char *
take_moved(struct visits *v, struct visit_slot *slot, struct taupe_step *step)
{
	if (!slot->moving)
		return "moved, and the visit was not to move";
	step->type = TAUPE_STEP_MOVED;
	step->visit = visits_place(v, slot);
	slot->visit.running = false;
	settle(v, slot);
	return NULL;
}

static void
take_abort(struct visits *v, const struct channel *c, struct visit_slot *slot,
    struct taupe_step *step)
{
	step->visit = visits_place(v, slot);
	visit_state_take_abort(&slot->visit, c, slot->number, step);
	settle(v, slot);
}

const char *
visits_take_message(struct visits *v, const struct channel *c,
    const struct control_msg *msg, struct taupe_step *step)
{
	struct visit_slot *slot;

	if (msg->op == CONTROL_OPEN)
		return take_open(v, c, msg, step);
	if ((slot = visits_find(v, msg->visit)) == NULL)
		return NULL; /* late */
	if (msg->op == CONTROL_CREDIT)
		return take_credit(v, slot, msg->bytes, step);
	if (msg->op == CONTROL_MOVED)
		return take_moved(v, slot, step);
	take_abort(v, c, slot, step);
	return NULL;
}

static const char *
take_payload(struct visits *v, struct visit_slot *slot, uint8_t *data,
    size_t len, struct taupe_step *step)
{
	if (len > slot->window)
		return "payload beyond the window";
	slot->window -= (uint32_t)len;
	step->visit = visits_place(v, slot);
	return visit_state_take_payload(&slot->visit, data, len, step);
}

static const char *
take_end(struct visits *v, struct visit_slot *slot, struct taupe_step *step)
{
	const char *error = slot->moving
	    ? "an end in place of the last word"
	    : visit_state_take_end(&slot->visit, step);

	if (error != NULL)
		return error;
	step->visit = visits_place(v, slot);
	settle(v, slot);
	return NULL;
}

const char *
visits_take_bytes(struct visits *v, const struct channel_event *event,
    struct taupe_step *step)
{
	uint8_t *payload;
	size_t len;
	struct visit_slot *slot;
	enum mux_result result = mux_reader_take(&v->reader, event->first,
	    event->last, event->data, event->len, &payload, &len);

	if (result == MUX_MORE)
		return NULL;
	if (result == MUX_BAD)
		return "a binary message shorter than its prefix";
	if ((slot = visits_find(v, v->reader.visit)) == NULL)
		return "payload without a visit";
	return result == MUX_DATA ? take_payload(v, slot, payload, len, step)
				  : take_end(v, slot, step);
}

/* ---- what the driver says ---- */

struct visit_slot *
visits_slot_to_speak(struct visits *v, size_t place)
{
	struct visit_slot *slot = &v->slots[place];

	return slot->visit.running && !slot->moving ? slot : NULL;
}

size_t
visits_frame(struct visits *v, const struct channel *c, size_t place,
    size_t len, bool zero_mask, uint8_t header[TAUPE_MUX_HEADER_MAX],
    uint8_t mask[4])
{
	struct visit_slot *slot = visits_slot_to_speak(v, place);
	uint8_t *prefix;
	size_t header_len;

	if (slot == NULL || !visit_state_can_speak(&slot->visit) || len == 0 ||
	    len > slot->credit)
		return 0;
	slot->visit.answered = true;
	slot->credit -= (uint32_t)len;
	header_len = channel_payload_header(
	    c, MUX_PREFIX_LEN + len, zero_mask, header, mask);
	prefix = header + header_len;
	mux_prefix_encode(slot->number, prefix);
	ws_mask(prefix, MUX_PREFIX_LEN, mask, 0);
	return header_len + MUX_PREFIX_LEN;
}

size_t
visits_opened(struct visits *v, const struct channel *c, size_t place,
    uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct visit_slot *slot = visits_slot_to_speak(v, place);

	return slot != NULL
	    ? visit_state_opened(&slot->visit, c, slot->number, out)
	    : 0;
}

size_t
visits_refused(struct visits *v, const struct channel *c, size_t place,
    const char *reason, uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct visit_slot *slot = visits_slot_to_speak(v, place);
	size_t len;

	if (slot == NULL)
		return 0;
	len = visit_state_refused(&slot->visit, c, slot->number, reason, out);
	settle(v, slot);
	return len;
}

size_t
visits_eof(struct visits *v, const struct channel *c, size_t place,
    uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct visit_slot *slot = visits_slot_to_speak(v, place);
	uint8_t prefix[MUX_PREFIX_LEN];

	if (slot == NULL || !visit_state_end(&slot->visit))
		return 0;
	mux_prefix_encode(slot->number, prefix);
	settle(v, slot);
	return channel_frame(c, WS_OP_BINARY, prefix, sizeof(prefix), out);
}

size_t
visits_abort(struct visits *v, const struct channel *c, size_t place,
    uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct visit_slot *slot = visits_slot_to_speak(v, place);
	size_t len;

	if (slot == NULL)
		return 0;
	len = visit_state_abort(&slot->visit, c, slot->number, out);
	settle(v, slot);
	return len;
}

size_t
visits_credit(struct visits *v, const struct channel *c, size_t place,
    uint32_t bytes, uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct visit_slot *slot = visits_slot_to_speak(v, place);
	struct control_msg msg = {.op = CONTROL_CREDIT, .bytes = bytes};

	if (slot == NULL || slot->visit.in_ended || slot->visit.aborted ||
	    bytes == 0 || bytes > MUX_WINDOW_MAX)
		return 0;
	slot->window += bytes;
	msg.visit = slot->number;
	return channel_message(c, &msg, out, TAUPE_MESSAGE_MAX);
}
