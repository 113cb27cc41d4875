/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "pump_owner.h"

static const struct pump_ops owner_ops;

static void
flip(uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] ^= 0x80;
}

static size_t
length_of(const uint8_t header[FRAME_HEADER])
{
	return (size_t)header[1] << 24 | (size_t)header[2] << 16 |
	    (size_t)header[3] << 8 | header[4];
}

static void
header_put(uint8_t out[FRAME_HEADER], char letter, size_t len)
{
	out[0] = (uint8_t)letter;
	out[1] = (uint8_t)(len >> 24);
	out[2] = (uint8_t)(len >> 16);
	out[3] = (uint8_t)(len >> 8);
	out[4] = (uint8_t)len;
}

struct owner *
owner_new(struct peer *peer, int buffers)
{
	struct owner *owner = calloc(1, sizeof(*owner));
	int ends[2];

	ck_assert_ptr_nonnull(owner);
	owner->raws[0].fd = owner->raws[1].fd = -1;
	stream_pair(ends, buffers);
	ck_assert_int_eq(
	    conn_init(&owner->channel, loop, ends[0], NULL, NULL), 0);
	peer_init(peer, ends[1]);
	pump_init(&owner->pump, &owner->channel, &owner_ops, owner);
	return owner;
}

void
owner_free(struct owner *owner)
{
	pump_fini(&owner->pump);
	conn_fini(&owner->channel);
	conn_fini(&owner->raws[0]);
	conn_fini(&owner->raws[1]);
	free(owner);
}

void
owner_join(struct owner *owner, int i, struct peer *peer, int buffers)
{
	int ends[2];

	stream_pair(ends, buffers);
	ck_assert_int_eq(
	    conn_init(&owner->raws[i], loop, ends[0], NULL, NULL), 0);
	peer_init(peer, ends[1]);
	owner->current = i;
	pump_join(&owner->pump, &owner->raws[i], NULL, 0);
}

static enum pump_verdict
obey(struct owner *owner, char letter)
{
	switch (letter) {
	case 'E':
		pump_end_raw(&owner->pump);
		break;
	case 'N':
		pump_leave(&owner->pump);
		owner->current = 1 - owner->current;
		pump_join(&owner->pump, &owner->raws[owner->current], NULL, 0);
		break;
	case 'L':
		pump_leave(&owner->pump);
		break;
	case 'R':
		pump_leave(&owner->pump);
		conn_abort(&owner->raws[owner->current]);
		break;
	case 'X':
		owner_free(owner);
		return PUMP_GONE;
	default:
		ck_assert_int_eq(letter, 'D');
	}
	return PUMP_STEP;
}

static enum pump_verdict
decode_cb(void *ctx, uint8_t *data, size_t len, struct pump_step *step)
{
	struct owner *owner = ctx;

	ck_assert_uint_gt(len, 0);
	while (owner->left == 0 && step->consumed < len &&
	    owner->header_len < FRAME_HEADER) {
		owner->header[owner->header_len++] = data[step->consumed++];
		if (owner->header_len < FRAME_HEADER)
			continue;
		owner->header_len = 0;
		owner->left = length_of(owner->header);
		if (owner->header[0] != 'D')
			return obey(owner, (char)owner->header[0]);
	}
	step->length = len - step->consumed < owner->left ? len - step->consumed
							  : owner->left;
	step->payload = data + step->consumed;
	flip(step->payload, step->length);
	owner->left -= step->length;
	step->consumed += step->length;
	return PUMP_STEP;
}

static bool
may_leave_cb(void *ctx)
{
	const struct owner *owner = ctx;

	return !owner->stays;
}

static bool
decode_payload_cb(void *ctx, uint8_t *data, size_t len, struct pump_step *step)
{
	struct owner *owner = ctx;
	uint8_t letter = owner->header_len > 0 ? owner->header[0] : data[0];

	return (owner->left > 0 || letter == 'D') &&
	    decode_cb(ctx, data, len, step) == PUMP_STEP;
}

static size_t
encode_cb(void *ctx, uint8_t *payload, size_t len)
{
	(void)ctx;
	flip(payload, len);
	header_put(payload - FRAME_HEADER, 'D', len);
	return FRAME_HEADER;
}

static void
raw_connected_cb(void *ctx, const char *error)
{
	struct owner *owner = ctx;

	owner->n_connected++;
	if (error != NULL) {
		strncpy(owner->connect_error, error,
		    sizeof(owner->connect_error) - 1);
		pump_leave(&owner->pump);
		conn_fini(&owner->raws[owner->current]);
	}
}

static void
raw_eof_cb(void *ctx)
{
	struct owner *owner = ctx;
	uint8_t frame[FRAME_HEADER];

	owner->n_eof++;
	if (owner->free_on_eof) {
		owner_free(owner);
		return;
	}
	header_put(frame, 'E', 0);
	(void)conn_write(&owner->channel, frame, sizeof(frame));
}

static void
raw_failed_cb(void *ctx)
{
	struct owner *owner = ctx;

	owner->n_raw_failed++;
	if (owner->free_on_raw_failed) {
		owner_free(owner);
		return;
	}
	pump_leave(&owner->pump);
	conn_abort(&owner->raws[owner->current]);
}

static void
channel_ended_cb(void *ctx, enum pump_end end)
{
	struct owner *owner = ctx;

	owner->n_channel_end++;
	owner->end = end;
	if (owner->free_on_channel_end) {
		owner_free(owner);
		return;
	}
	pump_fini(&owner->pump);
	conn_fini(&owner->channel);
	conn_abort(&owner->raws[owner->current]);
}

static const struct pump_ops owner_ops = {
    .decode = decode_cb,
    .encode = encode_cb,
    .raw_connected = raw_connected_cb,
    .raw_eof = raw_eof_cb,
    .raw_failed = raw_failed_cb,
    .channel_ended = channel_ended_cb,
    .may_leave = may_leave_cb,
    .decode_payload = decode_payload_cb,
};

size_t
frame_put(uint8_t *out, char letter, const void *payload, size_t len)
{
	header_put(out, letter, len);
	if (len > 0)
		memcpy(out + FRAME_HEADER, payload, len);
	flip(out + FRAME_HEADER, len);
	return FRAME_HEADER + len;
}

void
peer_send_frame(struct peer *peer, char letter, const void *payload, size_t len)
{
	uint8_t *frame = malloc(FRAME_HEADER + len);

	ck_assert_ptr_nonnull(frame);
	peer_send(peer, frame, frame_put(frame, letter, payload, len));
	free(frame);
}

size_t
peer_payload(const struct peer *peer, uint8_t *out, bool *ended)
{
	size_t at = 0, total = 0;

	*ended = false;
	while (at + FRAME_HEADER <= peer->len) {
		size_t len = length_of(peer->data + at);

		ck_assert(!*ended);
		*ended = peer->data[at] == 'E';
		if (!*ended)
			ck_assert_int_eq(peer->data[at], 'D');
		at += FRAME_HEADER;
		if (at + len > peer->len)
			return total; /* the rest is on its way */
		if (len > 0)
			memcpy(out + total, peer->data + at, len);
		flip(out + total, len);
		total += len;
		at += len;
	}
	return total;
}
