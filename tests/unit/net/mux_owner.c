/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "mux_owner.h"

static const struct mux_ops owner_ops;
/* of a connection that was handed over: it is only written to */
static const struct conn_ops moved_ops = {.drained_cb = NULL};

static void
flip(uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] ^= 0x80;
}

static void
number_put(uint8_t out[4], size_t number)
{
	for (int i = 4; i-- > 0; number >>= 8)
		out[i] = (uint8_t)number;
}

static size_t
number_at(const uint8_t in[4])
{
	return (size_t)in[0] << 24 | (size_t)in[1] << 16 | (size_t)in[2] << 8 |
	    in[3];
}

static void
header_put(uint8_t out[MUX_HEADER], char letter, int visit, size_t len)
{
	out[0] = (uint8_t)letter;
	number_put(out + 1, (size_t)visit);
	number_put(out + 5, len);
}

struct mux_owner *
mux_owner_new(struct far_end *far, int buffers)
{
	struct mux_owner *owner = calloc(1, sizeof(*owner));
	int ends[2];

	ck_assert_ptr_nonnull(owner);
	for (int i = 0; i < MUX_VISITS; i++) {
		owner->visits[i].raw.fd = owner->visits[i].moved.fd = -1;
		owner->visits[i].peer.fd = -1;
		mux_side_init(&owner->visits[i].side, &owner->mux, 0, 0);
	}
	stream_pair(ends, buffers);
	ck_assert_int_eq(
	    conn_init(&owner->channel, loop, ends[0], NULL, NULL), 0);
	memset(far, 0, sizeof(*far));
	peer_init(&far->peer, ends[1]);
	mux_init(&owner->mux, &owner->channel, &owner_ops, owner);
	return owner;
}

void
mux_owner_free(struct mux_owner *owner)
{
	for (int i = 0; i < MUX_VISITS; i++) {
		struct mux_visit *visit = &owner->visits[i];

		mux_leave(&visit->side);
		conn_fini(&visit->raw);
		conn_fini(&visit->moved);
		peer_close(&visit->peer);
		free(visit->data);
	}
	mux_fini(&owner->mux);
	conn_fini(&owner->channel);
	free(owner);
}

void
far_close(struct far_end *far)
{
	peer_close(&far->peer);
	free(far->out);
	far->out = NULL;
}

struct mux_visit *
mux_visit_prepare(struct mux_owner *owner, int number, uint32_t credit,
    uint32_t window, int buffers)
{
	struct mux_visit *visit = &owner->visits[number];
	int ends[2];

	stream_pair(ends, buffers);
	ck_assert_int_eq(conn_init(&visit->raw, loop, ends[0], NULL, NULL), 0);
	conn_pause(&visit->raw);
	peer_init(&visit->peer, ends[1]);
	mux_side_init(&visit->side, &owner->mux, credit, window);
	return visit;
}

struct mux_visit *
mux_visit_begin(struct mux_owner *owner, int number, uint32_t credit,
    uint32_t window, int buffers)
{
	struct mux_visit *visit =
	    mux_visit_prepare(owner, number, credit, window, buffers);

	mux_join(&visit->side, &visit->raw, NULL, 0);
	return visit;
}

static enum pump_verdict
obey(struct mux_owner *owner, char letter, struct mux_visit *visit, size_t len)
{
	switch (letter) {
	case 'E':
		mux_end_raw(&visit->side);
		break;
	case 'C':
		ck_assert(mux_give_credit(&visit->side, len));
		break;
	case 'J':
		mux_join(&visit->side, &visit->raw, NULL, 0);
		break;
	case 'L':
		mux_leave(&visit->side);
		conn_fini(&visit->raw);
		break;
	case 'R':
		mux_leave(&visit->side);
		conn_abort(&visit->raw);
		break;
	case 'H':
		ck_assert_int_eq(
		    conn_move(&visit->moved, &visit->raw, &moved_ops, NULL), 0);
		conn_pause(&visit->moved);
		mux_hand_over(&visit->side, &visit->moved);
		break;
	case 'X':
		mux_owner_free(owner);
		return PUMP_GONE;
	default:
		ck_abort_msg("letter %c", letter);
	}
	return PUMP_STEP;
}

static struct mux_visit *
visit_at(struct mux_owner *owner, const uint8_t number[4])
{
	ck_assert_uint_lt(number_at(number), MUX_VISITS);
	return &owner->visits[number_at(number)];
}

static enum pump_verdict
decode_cb(void *ctx, uint8_t *data, size_t len, struct mux_step *step)
{
	struct mux_owner *owner = ctx;
	const uint8_t *header = owner->header;

	ck_assert_uint_gt(len, 0);
	while (owner->left == 0 && step->consumed < len) {
		owner->header[owner->header_len++] = data[step->consumed++];
		if (owner->header_len < MUX_HEADER)
			continue;
		owner->header_len = 0;
		if (header[0] != 'D')
			return obey(owner, (char)header[0],
			    visit_at(owner, header + 1), number_at(header + 5));
		owner->left = number_at(header + 5);
	}
	if (owner->left == 0)
		return PUMP_STEP;
	step->side = &visit_at(owner, header + 1)->side;
	step->length = len - step->consumed < owner->left ? len - step->consumed
							  : owner->left;
	step->payload = data + step->consumed;
	flip(step->payload, step->length);
	owner->left -= step->length;
	step->consumed += step->length;
	return PUMP_STEP;
}

static int
number_of(const struct mux_owner *owner, const struct mux_side *side)
{
	const struct mux_visit *visit = (const void *)side; /* its first */

	return (int)(visit - owner->visits);
}

static size_t
encode_cb(void *ctx, struct mux_side *side, uint8_t *payload, size_t len)
{
	flip(payload, len);
	header_put(payload - MUX_HEADER, 'D', number_of(ctx, side), len);
	return MUX_HEADER;
}

static void
credit_cb(void *ctx, struct mux_side *side, uint32_t bytes)
{
	struct mux_owner *owner = ctx;
	int number = number_of(owner, side);
	uint8_t frame[MUX_HEADER];

	ck_assert_uint_gt(bytes, 0);
	owner->visits[number].n_credit++;
	header_put(frame, 'C', number, bytes);
	(void)conn_append(&owner->channel, frame, sizeof(frame));
}

/* False: the owner is gone. */
static bool
act(struct mux_owner *owner, struct mux_visit *visit, enum mux_act what)
{
	if (what == MUX_FREE)
		mux_owner_free(owner);
	if (what == MUX_LEAVE) {
		mux_leave(&visit->side);
		conn_abort(&visit->raw);
	}
	return what != MUX_FREE;
}

static void
raw_eof_cb(void *ctx, struct mux_side *side)
{
	struct mux_owner *owner = ctx;
	int number = number_of(owner, side);
	uint8_t frame[MUX_HEADER];

	owner->visits[number].n_eof++;
	if (!act(owner, &owner->visits[number], owner->on_eof))
		return;
	header_put(frame, 'E', number, 0);
	(void)conn_append(&owner->channel, frame, sizeof(frame));
	mux_flush_soon(&owner->mux);
}

static void
raw_failed_cb(void *ctx, struct mux_side *side)
{
	struct mux_owner *owner = ctx;
	struct mux_visit *visit = &owner->visits[number_of(owner, side)];

	visit->n_failed++;
	if (owner->on_failed != MUX_FREE)
		(void)act(owner, visit, MUX_LEAVE);
	else
		mux_owner_free(owner);
}

static void
channel_ended_cb(void *ctx, enum pump_end end)
{
	struct mux_owner *owner = ctx;

	owner->n_ended++;
	owner->end = end;
	if (!act(owner, NULL, owner->on_ended))
		return;
	for (int i = 0; i < MUX_VISITS; i++) {
		mux_leave(&owner->visits[i].side);
		conn_abort(&owner->visits[i].raw);
		conn_abort(&owner->visits[i].moved);
	}
	mux_fini(&owner->mux);
	conn_fini(&owner->channel);
}

static const struct mux_ops owner_ops = {
    .decode = decode_cb,
    .encode = encode_cb,
    .credit = credit_cb,
    .raw_eof = raw_eof_cb,
    .raw_failed = raw_failed_cb,
    .channel_ended = channel_ended_cb,
};

/* ---- the far end ---- */

size_t
mux_frame_put(
    uint8_t *out, char letter, int visit, const void *payload, size_t len)
{
	header_put(out, letter, visit, len);
	if (payload == NULL)
		return MUX_HEADER;
	memcpy(out + MUX_HEADER, payload, len);
	flip(out + MUX_HEADER, len);
	return MUX_HEADER + len;
}

void
far_send(struct far_end *far, char letter, int visit, const void *payload,
    size_t len)
{
	if (far->out_room < far->out_len + MUX_HEADER + len) {
		far->out_room = 2 * (far->out_len + MUX_HEADER + len);
		far->out = realloc(far->out, far->out_room);
		ck_assert_ptr_nonnull(far->out);
	}
	far->out_len +=
	    mux_frame_put(far->out + far->out_len, letter, visit, payload, len);
	(void)far_push(far);
}

bool
far_push(struct far_end *far)
{
	far->out_at += peer_send_some(
	    &far->peer, far->out + far->out_at, far->out_len - far->out_at);
	return far->out_at == far->out_len;
}

static void
visit_receive(struct mux_visit *visit, const uint8_t *data, size_t len)
{
	ck_assert(!visit->ended);
	if (visit->room < visit->len + len) {
		visit->room = 2 * (visit->len + len);
		visit->data = realloc(visit->data, visit->room);
		ck_assert_ptr_nonnull(visit->data);
	}
	memcpy(visit->data + visit->len, data, len);
	flip(visit->data + visit->len, len);
	visit->len += len;
	if (len > visit->largest)
		visit->largest = len;
}

void
far_receive(struct far_end *far, struct mux_owner *owner)
{
	peer_receive(&far->peer);
	while (far->parsed + MUX_HEADER <= far->peer.len) {
		const uint8_t *header = far->peer.data + far->parsed;
		struct mux_visit *visit = visit_at(owner, header + 1);
		size_t len = header[0] == 'D' ? number_at(header + 5) : 0;

		if (far->parsed + MUX_HEADER + len > far->peer.len)
			return; /* the rest is on its way */
		if (header[0] == 'D')
			visit_receive(visit, header + MUX_HEADER, len);
		else if (header[0] == 'C')
			visit->credit_bytes += number_at(header + 5);
		else
			visit->ended = true;
		far->parsed += MUX_HEADER + len;
	}
}

void
mux_turn(struct mux_owner *owner, struct far_end *far)
{
	(void)far_push(far);
	run_for_ms(loop, 1);
	far_receive(far, owner);
}
