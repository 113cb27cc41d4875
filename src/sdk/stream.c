/* SPDX-License-Identifier: MIT */
/*
 * A transfer channel (docs/PROTOCOL.md sections 5 and 8.2). A visit is three bits: is it
 * there, has the relay's direction ended, has ours. Everything late is told by its
 * number, and everything that the driver asks for too late is answered with no bytes.
 */
#include "sdk/channel.h"

enum stream_state {
	STREAM_REQUEST, /* the buffer holds our request */
	STREAM_HANDSHAKE,
	STREAM_READY,
	STREAM_DEAD
};

struct stream {
	struct channel channel;
	uint64_t visit;
	uint8_t state;
	bool visiting; /* a visit is there: not both directions have ended */
	bool in_ended; /* relay to agent */
	bool out_ended;
	bool answered;	/* opened, refused, payload or an end was sent */
	bool zero_mask; /* of payload: nobody on the way can misread it */
	bool
	    aborted; /* we are done with the visit: what still comes in is discarded */
};

_Static_assert(sizeof(struct stream) <= sizeof(struct taupe_stream),
    "TAUPE_STREAM too small");
_Static_assert(
    _Alignof(struct stream) <= _Alignof(struct taupe_stream), "alignment");
_Static_assert(TAUPE_ID_LEN == TRANSFER_ID_LEN, "one protocol");
_Static_assert(TAUPE_HEADER_MAX == WS_HEADER_MAX, "one protocol");

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
	char query[sizeof("id=") - 1 + TRANSFER_ID_LEN] = "id=";
	struct writer w;

	memset(s, 0, sizeof(*s));
	channel_init(&s->channel, config, buffer, size);
	s->zero_mask = relay->secure || config->trusted_path;
	memcpy(query + 3, id, TRANSFER_ID_LEN);
	writer_init(&w, buffer, s->channel.size);
	channel_request(&s->channel, &w, relay, STR(TRANSFER_PATH),
	    (struct str){query, sizeof(query)}, (struct str){NULL, 0});
	s->channel.used = (uint32_t)writer_len(&w);
	return !w.full;
}

void
taupe_stream_set_buffer(struct taupe_stream *stream, void *buffer, size_t size)
{
	channel_set_buffer(&stream_of(stream)->channel, buffer, size);
}

const uint8_t *
taupe_stream_request(const struct taupe_stream *stream, size_t *len)
{
	const struct stream *s = const_stream_of(stream);

	*len = s->channel.used;
	return s->channel.buffer;
}

/* Both directions have ended: the channel is idle. */
static void
settle(struct stream *s)
{
	if (s->in_ended && s->out_ended)
		s->visiting = false;
}

static void
fail(struct stream *s, struct taupe_step *step, const char *reason)
{
	step->type = TAUPE_STEP_FAILED;
	step->reason = reason;
	s->state = STREAM_DEAD;
	s->visiting = false;
}

/* The relay broke the rules: tell it, and give the channel up. */
static void
protest(struct stream *s, struct taupe_step *step, const char *reason)
{
	fail(s, step, reason);
	step->output.len = channel_close(
	    &s->channel, WS_CLOSE_PROTOCOL_ERROR, reason, step->output.bytes);
}

static size_t
handshake_input(
    struct stream *s, const uint8_t *data, size_t len, struct taupe_step *step)
{
	struct http_head head;
	const char *error;
	size_t consumed;

	if (s->state == STREAM_REQUEST) {
		s->state = STREAM_HANDSHAKE;
		s->channel.used = 0;
	}
	switch (
	    channel_head(&s->channel, data, len, &consumed, &head, &error)) {
	case WIRE_MORE:
		break;
	case WIRE_BAD:
		fail(s, step, error);
		break;
	case WIRE_DONE:
		if (head.status != 101) {
			fail(s, step, "the relay refused the channel");
			step->code = head.status;
		} else if (!channel_accept(&s->channel, &head, &error)) {
			fail(s, step, error);
		} else {
			s->state = STREAM_READY;
			step->type = TAUPE_STEP_READY;
		}
	}
	return consumed;
}

static bool
find_service(const struct taupe_config *config, struct str name, size_t *index)
{
	for (size_t i = 0; i < config->n_services; i++)
		if (str_equal(name, str_of(config->services[i].name))) {
			*index = i;
			return true;
		}
	return false;
}

static void
take_open(
    struct stream *s, const struct control_msg *msg, struct taupe_step *step)
{
	if (s->visiting) {
		protest(s, step, "open during a visit");
		return;
	}
	if (msg->visit != s->visit + 1) {
		protest(s, step, "open with a visit out of turn");
		return;
	}
	s->visit = msg->visit;
	s->visiting = true;
	s->in_ended = s->out_ended = s->answered = s->aborted = false;
	if (find_service(s->channel.config, msg->service, &step->service)) {
		step->type = TAUPE_STEP_OPEN;
		step->from = text_of(msg->from);
	} else {
		struct control_msg refusal = {.op = CONTROL_REFUSED,
		    .visit = s->visit,
		    .reason = STR("no such service")};

		s->answered = s->out_ended = s->aborted = true;
		step->output.len = channel_message(&s->channel, &refusal,
		    step->output.bytes, sizeof(step->output.bytes));
	}
}

static size_t
put_abort(const struct stream *s, uint8_t *out, size_t cap)
{
	struct control_msg msg = {.op = CONTROL_ABORT, .visit = s->visit};

	return channel_message(&s->channel, &msg, out, cap);
}

static void
take_abort(
    struct stream *s, const struct control_msg *msg, struct taupe_step *step)
{
	if (msg->visit == 0) {
		protest(s, step, "abort without a visit");
		return;
	}
	if (!s->visiting || msg->visit != s->visit)
		return;
	if (!s->aborted)
		step->type = TAUPE_STEP_ABORT;
	if (!s->out_ended)
		step->output.len = put_abort(
		    s, step->output.bytes, sizeof(step->output.bytes));
	s->visiting = false;
}

static void
take_message(struct stream *s, const struct channel_event *event,
    struct taupe_step *step)
{
	struct control_msg msg;
	const char *error;

	if (control_msg_decode((char *)event->data, event->len, &msg, &error) !=
	    WIRE_DONE)
		protest(s, step, error);
	else if (msg.op == CONTROL_OPEN)
		take_open(s, &msg, step);
	else if (msg.op == CONTROL_ABORT)
		take_abort(s, &msg, step);
	else if (msg.op != CONTROL_UNKNOWN)
		protest(s, step,
		    "a message that has no place on a transfer channel");
}

static void
take_bytes(struct stream *s, const struct channel_event *event,
    struct taupe_step *step)
{
	if (!s->visiting || s->in_ended) {
		protest(s, step,
		    s->visiting ? "payload after its end"
				: "payload without a visit");
		return;
	}
	if (event->empty) {
		s->in_ended = true;
		if (!s->aborted)
			step->type = TAUPE_STEP_EOF;
		settle(s);
	} else if (event->len > 0 && !s->aborted) {
		step->type = TAUPE_STEP_DATA;
		step->payload = event->data;
		step->payload_len = event->len;
	}
}

static size_t
ready_input(
    struct stream *s, uint8_t *data, size_t len, struct taupe_step *step)
{
	struct channel_event event;
	size_t consumed =
	    channel_next(&s->channel, data, len, &event, &step->output);

	switch (event.result) {
	case CHANNEL_MORE:
		break;
	case CHANNEL_TEXT:
		take_message(s, &event, step);
		break;
	case CHANNEL_BYTES:
		take_bytes(s, &event, step);
		break;
	case CHANNEL_CLOSED:
		step->type = TAUPE_STEP_CLOSED;
		step->code = event.code;
		s->state = STREAM_DEAD;
		s->visiting = false;
		break;
	case CHANNEL_FAILED:
		fail(s, step, event.reason);
		break;
	}
	return consumed;
}

size_t
taupe_stream_input(struct taupe_stream *stream, uint8_t *data, size_t len,
    struct taupe_step *step)
{
	struct stream *s = stream_of(stream);
	size_t done = 0;

	memset(step, 0, offsetof(struct taupe_step, output.bytes));
	memset(&step->service, 0,
	    sizeof(*step) - offsetof(struct taupe_step, service));
	while (done < len && step->type == TAUPE_STEP_NONE &&
	    step->output.len == 0) {
		if (s->state == STREAM_DEAD)
			return len;
		if (s->state == STREAM_READY)
			done += ready_input(s, data + done, len - done, step);
		else
			done +=
			    handshake_input(s, data + done, len - done, step);
	}
	return done;
}

/* May we still say something in this visit? */
static bool
can_speak(const struct stream *s)
{
	return s->state == STREAM_READY && s->visiting && !s->out_ended;
}

size_t
taupe_stream_frame(struct taupe_stream *stream, size_t len,
    uint8_t header[TAUPE_HEADER_MAX], uint8_t mask[4])
{
	struct stream *s = stream_of(stream);
	struct ws_header frame = {
	    .length = len, .opcode = WS_OP_BINARY, .fin = true, .masked = true};

	if (!can_speak(s) || len == 0)
		return 0;
	s->answered = true;
	if (!s->zero_mask)
		channel_random(
		    s->channel.config, frame.mask, sizeof(frame.mask));
	memcpy(mask, frame.mask, sizeof(frame.mask));
	return ws_header_encode(&frame, header);
}

void
taupe_mask(uint8_t *data, size_t len, const uint8_t mask[4], size_t phase)
{
	ws_mask(data, len, mask, phase);
}

size_t
taupe_stream_opened(struct taupe_stream *stream, uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct stream *s = stream_of(stream);
	struct control_msg msg = {.op = CONTROL_OPENED, .visit = s->visit};

	if (!can_speak(s) || s->answered)
		return 0;
	s->answered = true;
	return channel_message(&s->channel, &msg, out, TAUPE_MESSAGE_MAX);
}

size_t
taupe_stream_refused(struct taupe_stream *stream, const char *reason,
    uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct stream *s = stream_of(stream);
	char safe[SAFE_REASON_MAX];
	struct control_msg msg = {.op = CONTROL_REFUSED,
	    .visit = s->visit,
	    .reason = channel_safe_reason(reason, safe)};

	if (!can_speak(s))
		return 0;
	if (s->answered)
		return taupe_stream_abort(stream, out);
	s->answered = s->out_ended = s->aborted = true;
	settle(s);
	return channel_message(&s->channel, &msg, out, TAUPE_MESSAGE_MAX);
}

size_t
taupe_stream_eof(struct taupe_stream *stream, uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct stream *s = stream_of(stream);

	if (!can_speak(s))
		return 0;
	s->answered = s->out_ended = true;
	settle(s);
	return channel_frame(&s->channel, WS_OP_BINARY, NULL, 0, out);
}

size_t
taupe_stream_abort(struct taupe_stream *stream, uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct stream *s = stream_of(stream);

	/* allowed after our own end of file too: see PROTOCOL 5.4 */
	if (s->state != STREAM_READY || !s->visiting || s->aborted)
		return 0;
	s->answered = s->out_ended = s->aborted = true;
	settle(s);
	return put_abort(s, out, TAUPE_MESSAGE_MAX);
}

size_t
taupe_stream_close(struct taupe_stream *stream, uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct stream *s = stream_of(stream);
	bool ready = s->state == STREAM_READY;

	s->state = STREAM_DEAD;
	s->visiting = false;
	return ready ? channel_close(&s->channel, WS_CLOSE_NORMAL, "", out) : 0;
}

bool
taupe_stream_is_idle(const struct taupe_stream *stream)
{
	const struct stream *s = const_stream_of(stream);

	return s->state == STREAM_READY && !s->visiting;
}

uint64_t
taupe_stream_visit(const struct taupe_stream *stream)
{
	return const_stream_of(stream)->visit;
}
