/* SPDX-License-Identifier: MIT */
/*
 * A slot is found by its visit's number through a hash that lies in the slots themselves: the
 * numbers rise by one, so that they spread over the chains evenly.
 */
#include "sdk/visits.h"

#include "sdk/profile.h"

#define NO_SLOT UINT16_MAX

_Static_assert(sizeof(struct visit_slot) <= sizeof(struct taupe_visit) &&
	_Alignof(struct visit_slot) <= _Alignof(struct taupe_visit),
    "TAUPE_VISIT");
_Static_assert(TAUPE_MUX_HEADER_MAX == WS_HEADER_MAX + MUX_PREFIX_LEN &&
	TAUPE_MUX_WINDOW == MUX_WINDOW &&
	TAUPE_MUX_VISITS_MAX == MUX_VISITS_MAX,
    "one protocol");
_Static_assert(MUX_VISITS_MAX <= NO_SLOT, "a place has 16 bits");

/* ---- slots ---- */

#ifdef TAUPE_WITHOUT_FAST_PATHS /* few slots: they are looked at one by one */

static void
link_slots(struct visits *v)
{
	(void)v;
}

static bool
is_running(const struct visit_slot *slot)
{
	return visit_state_is(&slot->visit, VISIT_RUNNING);
}

struct visit_slot *
visits_find(const struct visits *v, wire_number number)
{
	for (unsigned i = 0; i < v->n_slots; i++)
		if (is_running(&v->slots[i]) && v->slots[i].number == number)
			return &v->slots[i];
	return NULL;
}

static struct visit_slot *
take_slot(struct visits *v, uint32_t number)
{
	for (unsigned i = 0; i < v->n_slots; i++)
		if (!is_running(&v->slots[i])) {
			v->slots[i].number = number;
			return &v->slots[i];
		}
	return NULL;
}

static void
give_slot(struct visits *v, struct visit_slot *slot)
{
	(void)v;
	(void)slot;
}

#else

static void
link_slots(struct visits *v)
{
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
visits_find(const struct visits *v, wire_number number)
{
	uint16_t i;

	if (number > MUX_VISIT_MAX)
		return NULL;
	i = v->slots[(uint32_t)number % v->n_slots].first;
	while (i != NO_SLOT && v->slots[i].number != number)
		i = v->slots[i].next;
	return i != NO_SLOT ? &v->slots[i] : NULL;
}

static struct visit_slot *
take_slot(struct visits *v, uint32_t number)
{
	uint16_t place = v->free, *chain = chain_of(v, number);
	struct visit_slot *slot;

	if (place == NO_SLOT)
		return NULL;
	slot = &v->slots[place];
	v->free = slot->next;
	slot->number = number;
	slot->next = *chain;
	*chain = place;
	return slot;
}

static void
give_slot(struct visits *v, struct visit_slot *slot)
{
	uint16_t place = (uint16_t)visits_place(v, slot), *link;

	link = chain_of(v, slot->number);
	while (*link != place)
		link = &v->slots[*link].next;
	*link = slot->next;
	slot->next = v->free;
	v->free = place;
}

#endif

void
visits_init(struct visits *v, const struct taupe_config *config,
    struct taupe_visit *room, size_t n_slots)
{
	memset(v, 0, sizeof(*v));
	v->slots = (struct visit_slot *)(void *)room;
	v->n_slots = (uint16_t)n_slots;
	v->window = config->mux_window != 0 ? config->mux_window : MUX_WINDOW;
	memset(v->slots, 0, n_slots * sizeof(*v->slots));
	link_slots(v);
}

/* After anything that may have ended the visit. */
static void
settle(struct visits *v, struct visit_slot *slot)
{
	if (visit_state_is(&slot->visit, VISIT_RUNNING))
		return;
	give_slot(v, slot);
	v->n_used--;
}

/* ---- what the relay says ---- */

static const char *
take_open(struct visits *v, const struct channel *c,
    const struct control_msg *msg, struct taupe_step *step)
{
	struct visit_slot *slot;

	/* after the last number of all comes none */
	if (msg->visit - 1 != v->last || msg->visit > MUX_VISIT_MAX)
		return SAYS("open with a visit out of turn");
	slot = take_slot(v, (uint32_t)msg->visit);
	if (slot == NULL)
		return SAYS("more visits at once than were offered");
	v->last++;
	v->n_used++;
	slot->window = v->window;
	slot->credit = MUX_WINDOW;
	slot->moving = false;
	step->visit = visits_place(v, slot);
	if (v->closing)
		visit_state_begin_refused(
		    &slot->visit, c, msg->visit, STR("the agent stops"), step);
	else
		visit_state_begin(&slot->visit, c, msg, step);
	slot->visit.flags |= VISIT_SHARES;
	return NULL;
}

static const char *
take_credit(struct visit_slot *slot, wire_number bytes, struct taupe_step *step)
{
	if (!visit_state_can_speak(&slot->visit))
		return NULL;
	if (bytes > INT32_MAX - slot->credit)
		return SAYS("more credit than can be counted");
	slot->credit += (uint32_t)bytes;
	step->type = TAUPE_STEP_CREDIT;
	step->bytes = (uint32_t)bytes;
	return NULL;
}

static const char *
take_moved(struct visit_slot *slot, struct taupe_step *step)
{
	if (!HAS_CHANNELS || !slot->moving)
		return SAYS("moved, and the visit was not to move");
	step->type = TAUPE_STEP_MOVED;
	slot->visit.flags &= (uint8_t)~VISIT_RUNNING;
	return NULL;
}

const char *
visits_take_message(struct visits *v, const struct channel *c,
    const struct control_msg *msg, struct taupe_step *step)
{
	struct visit_slot *slot;
	const char *error = NULL;

	if (msg->op == CONTROL_OPEN)
		return take_open(v, c, msg, step);
	if ((slot = visits_find(v, msg->visit)) == NULL)
		return NULL; /* late */
	step->visit = visits_place(v, slot);
	if (msg->op == CONTROL_CREDIT)
		error = take_credit(slot, msg->bytes, step);
	else if (msg->op == CONTROL_MOVED)
		error = take_moved(slot, step);
	else
		visit_state_take_abort(&slot->visit, c, slot->number, step);
	settle(v, slot);
	return error;
}

static const char *
take_payload(
    struct visit_slot *slot, uint8_t *data, size_t len, struct taupe_step *step)
{
	if (len > slot->window)
		return SAYS("payload beyond the window");
	slot->window -= (uint32_t)len;
	return visit_state_take_payload(&slot->visit, data, len, step);
}

static const char *
take_end(struct visit_slot *slot, struct taupe_step *step)
{
	return HAS_CHANNELS && slot->moving
	    ? SAYS("an end in place of the last word")
	    : visit_state_take_end(&slot->visit, step);
}

const char *
visits_take_bytes(
    struct visits *v, const struct ws_event *event, struct taupe_step *step)
{
	uint8_t *payload;
	size_t len;
	struct visit_slot *slot;
	const char *error;
	enum mux_result result = mux_reader_take(&v->reader, event->first,
	    event->last, event->data, event->len, &payload, &len);

	if (result == MUX_MORE)
		return NULL;
	if (result == MUX_BAD)
		return SAYS("a binary message shorter than its prefix");
	if ((slot = visits_find(v, v->reader.visit)) == NULL)
		return SAYS("payload without a visit");
	step->visit = visits_place(v, slot);
	if (result == MUX_DATA)
		return take_payload(slot, payload, len, step);
	error = take_end(slot, step);
	settle(v, slot);
	return error;
}

/* ---- what the driver says ---- */

struct visit_slot *
visits_slot_to_speak(struct visits *v, size_t place)
{
	struct visit_slot *slot = &v->slots[place];

	return visit_state_is(&slot->visit, VISIT_RUNNING) &&
		(!HAS_CHANNELS || !slot->moving)
	    ? slot
	    : NULL;
}

size_t
visits_frame(struct visits *v, const struct channel *c, size_t place,
    size_t len, uint8_t header[TAUPE_MUX_HEADER_MAX], uint8_t mask[4])
{
	struct visit_slot *slot = visits_slot_to_speak(v, place);
	uint8_t *prefix;
	size_t header_len;

	if (slot == NULL || !visit_state_can_speak(&slot->visit) || len == 0 ||
	    len > slot->credit)
		return 0;
	slot->visit.flags |= VISIT_ANSWERED;
	slot->credit -= (uint32_t)len;
	header_len =
	    channel_payload_header(c, MUX_PREFIX_LEN + len, header, mask);
	prefix = header + header_len;
	mux_prefix_encode(slot->number, prefix);
	ws_mask(prefix, MUX_PREFIX_LEN, mask, 0);
	return header_len + MUX_PREFIX_LEN;
}

size_t
visits_say(struct visits *v, const struct channel *c, size_t place,
    enum visit_word word, const char *reason, uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct visit_slot *slot = visits_slot_to_speak(v, place);
	size_t len;

	if (slot == NULL)
		return 0;
	len = visit_state_say(&slot->visit, c, slot->number, word, reason, out);
	settle(v, slot);
	return len;
}

size_t
visits_credit(struct visits *v, const struct channel *c, size_t place,
    uint32_t bytes, uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct visit_slot *slot = visits_slot_to_speak(v, place);
	struct control_msg msg = {.op = CONTROL_CREDIT, .bytes = bytes};

	if (slot == NULL ||
	    visit_state_is(&slot->visit, VISIT_IN_ENDED | VISIT_ABORTED) ||
	    bytes == 0 || bytes > MUX_WINDOW_MAX)
		return 0;
	slot->window += bytes;
	msg.visit = slot->number;
	return channel_message(c, &msg, out, TAUPE_MESSAGE_MAX);
}
