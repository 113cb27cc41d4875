/* SPDX-License-Identifier: MIT */
/*
 * A transfer channel that carries one visit at a time (docs/PROTOCOL.md sections 5 and 8.2).
 * Everything late is told by the visit's number.
 */
#include "sdk/transfer.h"
#include "sdk/visit_state.h"

struct stream {
	struct transfer transfer;
	uint64_t number; /* of the visit at hand, or the last one */
	struct visit_state visit;
};

_Static_assert(sizeof(struct stream) <= sizeof(struct taupe_stream),
    "TAUPE_STREAM too small");
_Static_assert(
    _Alignof(struct stream) <= _Alignof(struct taupe_stream), "alignment");

static struct stream *
stream_of(struct taupe_stream *stream)
{
	return (struct stream *)(void *)stream;
}

static const struct stream *
const_stream_of(const struct taupe_stream *stream)
{
	return (const struct stream *)(const void *)stream;
}

bool
taupe_stream_init(struct taupe_stream *stream,
    const struct taupe_config *config, const struct taupe_relay *relay,
    const char *id, void *buffer, size_t size)
{
	struct stream *s = stream_of(stream);

	s->number = 0;
	s->visit.flags = 0;
	return transfer_init(&s->transfer, config, relay, id, buffer, size);
}

void
taupe_stream_set_buffer(struct taupe_stream *stream, void *buffer, size_t size)
{
	channel_set_buffer(&stream_of(stream)->transfer.channel, buffer, size);
}

const uint8_t *
taupe_stream_request(const struct taupe_stream *stream, size_t *len)
{
	return transfer_request(&const_stream_of(stream)->transfer, len);
}

static const char *
take_open(
    struct stream *s, const struct control_msg *msg, struct taupe_step *step)
{
	bool moves = msg->shared.ptr != NULL;

	if (visit_state_is(&s->visit, VISIT_RUNNING))
		return SAYS("open during a visit");
	if (msg->visit != s->number + 1)
		return SAYS("open with a visit out of turn");
	if (moves != (msg->stream != 0))
		return SAYS("open with one of shared and stream");
	if (moves && s->transfer.channel.config->mux_visits == 0)
		return SAYS(
		    "a visit of a shared channel, and none was offered");
	s->number = msg->visit;
	if (moves)
		visit_state_begin_moved(&s->visit, msg, step);
	else
		visit_state_begin(&s->visit, &s->transfer.channel, msg, step);
	return NULL;
}

static void
take_abort(
    struct stream *s, const struct control_msg *msg, struct taupe_step *step)
{
	if (visit_state_is(&s->visit, VISIT_RUNNING) && msg->visit == s->number)
		visit_state_take_abort(
		    &s->visit, &s->transfer.channel, s->number, step);
}

static const char *
take_message(
    struct stream *s, const struct ws_event *event, struct taupe_step *step)
{
	struct control_msg msg;
	const char *error;

	if (control_msg_decode((char *)event->data, event->len, &msg, &error) !=
	    WIRE_DONE)
		return error;
	if (msg.op == CONTROL_OPEN)
		return take_open(s, &msg, step);
	if (msg.op == CONTROL_ABORT)
		take_abort(s, &msg, step);
	else if (msg.op != CONTROL_UNKNOWN)
		return SAYS(
		    "a message that has no place on a transfer channel");
	return NULL;
}

static const char *
take_bytes(
    struct stream *s, const struct ws_event *event, struct taupe_step *step)
{
	if (event->last && event->message_length == 0)
		return visit_state_take_end(&s->visit, step);
	if (event->len == 0)
		return NULL;
	return visit_state_take_payload(
	    &s->visit, event->data, event->len, step);
}

static const char *
take(struct transfer *t, const struct ws_event *event, struct taupe_step *step)
{
	struct stream *s = (struct stream *)(void *)t;

	return event->type == WS_TEXT ? take_message(s, event, step)
				      : take_bytes(s, event, step);
}

size_t
taupe_stream_input(struct taupe_stream *stream, uint8_t *data, size_t len,
    struct taupe_step *step)
{
	return transfer_input(
	    &stream_of(stream)->transfer, data, len, take, step);
}

bool
taupe_stream_is_at_payload(
    const struct taupe_stream *stream, const uint8_t *data, size_t len)
{
	const struct stream *s = const_stream_of(stream);

	return transfer_is_ready(&s->transfer) &&
	    visit_state_is(&s->visit, VISIT_RUNNING) &&
	    !visit_state_is(&s->visit, VISIT_IN_ENDED | VISIT_ABORTED) &&
	    ws_reader_is_at_payload(&s->transfer.channel.u.reader, data, len);
}

size_t
taupe_stream_frame(struct taupe_stream *stream, size_t len,
    uint8_t header[TAUPE_HEADER_MAX], uint8_t mask[4])
{
	struct stream *s = stream_of(stream);

	if (!transfer_is_ready(&s->transfer) ||
	    !visit_state_can_speak(&s->visit) || len == 0)
		return 0;
	s->visit.flags |= VISIT_ANSWERED;
	return channel_payload_header(&s->transfer.channel, len, header, mask);
}

void
taupe_mask(uint8_t *data, size_t len, const uint8_t mask[4], size_t phase)
{
	ws_mask(data, len, mask, phase);
}

static size_t
say(struct stream *s, enum visit_word word, const char *reason,
    uint8_t out[TAUPE_MESSAGE_MAX])
{
	return transfer_is_ready(&s->transfer)
	    ? visit_state_say(
		  &s->visit, &s->transfer.channel, s->number, word, reason, out)
	    : 0;
}

size_t
taupe_stream_opened(struct taupe_stream *stream, uint8_t out[TAUPE_MESSAGE_MAX])
{
	return say(stream_of(stream), VISIT_OPENED, NULL, out);
}

size_t
taupe_stream_refused(struct taupe_stream *stream, const char *reason,
    uint8_t out[TAUPE_MESSAGE_MAX])
{
	char safe[SAFE_REASON_MAX + 1];

	return say(stream_of(stream), VISIT_REFUSED,
	    channel_safe_reason(reason, safe), out);
}

size_t
taupe_stream_eof(struct taupe_stream *stream, uint8_t out[TAUPE_MESSAGE_MAX])
{
	return say(stream_of(stream), VISIT_END, NULL, out);
}

size_t
taupe_stream_abort(struct taupe_stream *stream, uint8_t out[TAUPE_MESSAGE_MAX])
{
	return say(stream_of(stream), VISIT_ABORT, NULL, out);
}

size_t
taupe_stream_close(struct taupe_stream *stream, uint8_t out[TAUPE_MESSAGE_MAX])
{
	return transfer_close(&stream_of(stream)->transfer, out);
}

bool
taupe_stream_is_idle(const struct taupe_stream *stream)
{
	const struct stream *s = const_stream_of(stream);

	return transfer_is_ready(&s->transfer) &&
	    !visit_state_is(&s->visit, VISIT_RUNNING);
}

uint64_t
taupe_stream_visit(const struct taupe_stream *stream)
{
	return const_stream_of(stream)->number;
}
