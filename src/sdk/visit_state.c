/* SPDX-License-Identifier: MIT */
#include "sdk/visit_state.h"

#include "wire/mux_frame.h"

static void
settle(struct visit_state *v)
{
	if (v->in_ended && v->out_ended)
		v->running = false;
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

static size_t
put(const struct channel *c, enum control_op op, form_number number,
    struct str reason, uint8_t *out, size_t cap)
{
	struct control_msg msg = {
	    .op = op, .visit = (form_number)number, .reason = reason};

	return channel_message(c, &msg, out, cap);
}

void
visit_state_begin(struct visit_state *v, const struct channel *c,
    const struct control_msg *msg, struct taupe_step *step)
{
	*v = (struct visit_state){.running = true};
	if (find_service(c->config, msg->service, &step->service)) {
		step->type = TAUPE_STEP_OPEN;
		step->from = text_of(msg->from);
		return;
	}
	v->answered = v->out_ended = v->aborted = true;
	step->output.len =
	    put(c, CONTROL_REFUSED, msg->visit, STR("no such service"),
		step->output.bytes, sizeof(step->output.bytes));
}

void
visit_state_begin_moved(struct visit_state *v, const struct control_msg *msg,
    struct taupe_step *step)
{
	*v = (struct visit_state){.running = true};
	step->type = TAUPE_STEP_OPEN;
	step->from = text_of(msg->from);
	step->shared = text_of(msg->shared);
	step->stream = (uint32_t)msg->stream;
}

const char *
visit_state_take_payload(
    struct visit_state *v, uint8_t *data, size_t len, struct taupe_step *step)
{
	if (!v->running)
		return SAYS("payload without a visit");
	if (v->in_ended)
		return SAYS("payload after its end");
	if (!v->aborted) {
		step->type = TAUPE_STEP_DATA;
		step->payload = data;
		step->payload_len = len;
	}
	return NULL;
}

const char *
visit_state_take_end(struct visit_state *v, struct taupe_step *step)
{
	if (!v->running)
		return SAYS("an end without a visit");
	if (v->in_ended)
		return SAYS("an end after the end");
	v->in_ended = true;
	if (!v->aborted)
		step->type = TAUPE_STEP_EOF;
	settle(v);
	return NULL;
}

void
visit_state_take_abort(struct visit_state *v, const struct channel *c,
    form_number number, struct taupe_step *step)
{
	if (!v->aborted)
		step->type = TAUPE_STEP_ABORT;
	if (!v->out_ended)
		step->output.len =
		    put(c, CONTROL_ABORT, number, (struct str){NULL, 0},
			step->output.bytes, sizeof(step->output.bytes));
	v->running = false;
}

static size_t
put_end(const struct visit_state *v, const struct channel *c, form_number number,
    uint8_t *out)
{
	uint8_t prefix[MUX_PREFIX_LEN];

	mux_prefix_encode((uint32_t)number, prefix);
	return channel_frame(
	    c, WS_OP_BINARY, prefix, v->shares ? sizeof(prefix) : 0, out);
}

/* May that be said now? An abort may follow our own end: see PROTOCOL 5.4. */
static bool
may_say(const struct visit_state *v, enum visit_word word)
{
	if (word == VISIT_ABORT)
		return v->running && !v->aborted;
	return visit_state_can_speak(v) &&
	    (word != VISIT_OPENED || !v->answered);
}

size_t
visit_state_say(struct visit_state *v, const struct channel *c, form_number number,
    enum visit_word word, const char *reason, uint8_t out[TAUPE_MESSAGE_MAX])
{
	static const uint8_t ops[] = {[VISIT_OPENED] = CONTROL_OPENED,
	    [VISIT_REFUSED] = CONTROL_REFUSED,
	    [VISIT_ABORT] = CONTROL_ABORT};
	char safe[SAFE_REASON_MAX];
	struct str text = {NULL, 0};

	if (!may_say(v, word))
		return 0;
	if (word == VISIT_REFUSED && v->answered)
		word = VISIT_ABORT;
	v->answered = true;
	v->out_ended = v->out_ended || word != VISIT_OPENED;
	v->aborted = v->aborted || word == VISIT_REFUSED || word == VISIT_ABORT;
	settle(v);
	if (word == VISIT_END)
		return put_end(v, c, number, out);
	if (word == VISIT_REFUSED)
		text = channel_safe_reason(reason, safe);
	return put(c, (enum control_op)ops[word], number, text, out,
	    TAUPE_MESSAGE_MAX);
}
