/* SPDX-License-Identifier: MIT */
#include "sdk/transfer.h"

_Static_assert(TAUPE_ID_LEN == TRANSFER_ID_LEN, "one protocol");

bool
transfer_init(struct transfer *t, const struct taupe_config *config,
    const struct taupe_relay *relay, const char *id, void *buffer, size_t size)
{
	struct writer w;

	memset(t, 0, sizeof(*t));
	channel_init(&t->channel, config, buffer, size);
	t->channel.zero_mask = relay->secure || config->trusted_path;
	writer_init(&w, buffer, t->channel.size);
	writer_cstr(&w, "GET " TRANSFER_PATH "?id=");
	writer_str(&w, (struct str){id, TRANSFER_ID_LEN});
	channel_request(&t->channel, &w, relay, NULL);
	t->channel.used = (uint32_t)writer_len(&w);
	return !w.full;
}

const uint8_t *
transfer_request(const struct transfer *t, size_t *len)
{
	*len = t->channel.used;
	return t->channel.buffer;
}

static void
fail(struct transfer *t, struct taupe_step *step, const char *reason)
{
	step->type = TAUPE_STEP_FAILED;
	step->reason = reason;
	t->state = TRANSFER_DEAD;
}

/* The relay broke the rules: tell it, and give the channel up. */
static void
protest(struct transfer *t, struct taupe_step *step, const char *reason)
{
	fail(t, step, reason);
	step->output.len = channel_close(
	    &t->channel, WS_CLOSE_PROTOCOL_ERROR, reason, step->output.bytes);
}

static size_t
handshake_input(struct transfer *t, const uint8_t *data, size_t len,
    struct taupe_step *step)
{
	struct http_answer answer;
	size_t consumed;

	if (t->state == TRANSFER_REQUEST) {
		t->state = TRANSFER_HANDSHAKE;
		t->channel.used = 0;
	}
	switch (channel_answer(&t->channel, data, len, &consumed, &answer)) {
	case WIRE_MORE:
		break;
	case WIRE_BAD:
		fail(t, step, answer.error);
		break;
	case WIRE_DONE:
		if (answer.status == 101) {
			t->state = TRANSFER_READY;
			step->type = TAUPE_STEP_READY;
		} else {
			fail(t, step, SAYS("the relay refused the channel"));
			step->code = answer.status;
		}
	}
	return consumed;
}

static size_t
ready_input(struct transfer *t, uint8_t *data, size_t len, transfer_take take,
    struct taupe_step *step)
{
	struct ws_event event;
	const char *error;
	size_t consumed =
	    channel_next(&t->channel, data, len, &event, &step->output);

	switch (event.type) {
	case WS_TEXT:
	case WS_BINARY:
		if ((error = take(t, &event, step)) != NULL)
			protest(t, step, error);
		break;
	case WS_CLOSED:
		step->type = TAUPE_STEP_CLOSED;
		step->code = event.code;
		t->state = TRANSFER_DEAD;
		break;
	case WS_ERROR:
		fail(t, step, event.reason);
		break;
	default:
		break;
	}
	return consumed;
}

size_t
transfer_input(struct transfer *t, uint8_t *data, size_t len,
    transfer_take take, struct taupe_step *step)
{
	size_t done = 0;

	memset(step, 0, offsetof(struct taupe_step, output.bytes));
	while (done < len && step->type == TAUPE_STEP_NONE &&
	    step->output.len == 0) {
		if (t->state == TRANSFER_DEAD)
			return len;
		if (t->state == TRANSFER_READY)
			done +=
			    ready_input(t, data + done, len - done, take, step);
		else
			done +=
			    handshake_input(t, data + done, len - done, step);
	}
	return done;
}

size_t
transfer_close(struct transfer *t, uint8_t out[TAUPE_MESSAGE_MAX])
{
	bool ready = t->state == TRANSFER_READY;

	t->state = TRANSFER_DEAD;
	return ready ? channel_close(&t->channel, WS_CLOSE_NORMAL, "", out) : 0;
}
