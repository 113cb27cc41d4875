/* SPDX-License-Identifier: MIT */
#include "sdk/visit_state.h"

#include "wire/mux_frame.h"

#define BOTH_ENDED (VISIT_IN_ENDED | VISIT_OUT_ENDED)
#define OVER_FOR_US (VISIT_ANSWERED | VISIT_OUT_ENDED | VISIT_ABORTED)

static void
settle(struct visit_state *v)
{
	if ((v->flags & BOTH_ENDED) == BOTH_ENDED)
		v->flags &= (uint8_t)~VISIT_RUNNING;
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
put(const struct channel *c, enum control_op op, wire_number number,
    struct str reason, uint8_t *out, size_t cap)
{
	struct control_msg msg = {
	    .op = op, .visit = number, .reason = reason};

	return channel_message(c, &msg, out, cap);
}

void
visit_state_begin_refused(struct visit_state *v, const struct channel *c,
    wire_number number, struct str reason, struct taupe_step *step)
{
	v->flags = VISIT_RUNNING | OVER_FOR_US;
	step->output.len = put(c, CONTROL_REFUSED, number, reason,
	    step->output.bytes, sizeof(step->output.bytes));
}

void
visit_state_begin(struct visit_state *v, const struct channel *c,
    const struct control_msg *msg, struct taupe_step *step)
{
	if (!find_service(c->config, msg->service, &step->service)) {
		visit_state_begin_refused(
		    v, c, msg->visit, STR("no such service"), step);
		return;
	}
	v->flags = VISIT_RUNNING;
	step->type = TAUPE_STEP_OPEN;
	step->from = text_of(msg->from);
}

void
visit_state_begin_moved(struct visit_state *v, const struct control_msg *msg,
    struct taupe_step *step)
{
	v->flags = VISIT_RUNNING;
	step->type = TAUPE_STEP_OPEN;
	step->from = text_of(msg->from);
	step->shared = text_of(msg->shared);
	step->stream = (uint32_t)msg->stream;
}

const char *
visit_state_take_payload(
    struct visit_state *v, uint8_t *data, size_t len, struct taupe_step *step)
{
	if (!visit_state_is(v, VISIT_RUNNING))
		return SAYS("payload without a visit");
	if (visit_state_is(v, VISIT_IN_ENDED))
		return SAYS("payload after its end");
	if (!visit_state_is(v, VISIT_ABORTED)) {
		step->type = TAUPE_STEP_DATA;
		step->payload = data;
		step->payload_len = len;
	}
	return NULL;
}

const char *
visit_state_take_end(struct visit_state *v, struct taupe_step *step)
{
	if (!visit_state_is(v, VISIT_RUNNING))
		return SAYS("an end without a visit");
	if (visit_state_is(v, VISIT_IN_ENDED))
		return SAYS("an end after the end");
	v->flags |= VISIT_IN_ENDED;
	if (!visit_state_is(v, VISIT_ABORTED))
		step->type = TAUPE_STEP_EOF;
	settle(v);
	return NULL;
}

void
visit_state_take_abort(struct visit_state *v, const struct channel *c,
    wire_number number, struct taupe_step *step)
{
	if (!visit_state_is(v, VISIT_ABORTED))
		step->type = TAUPE_STEP_ABORT;
	if (!visit_state_is(v, VISIT_OUT_ENDED))
		step->output.len =
		    put(c, CONTROL_ABORT, number, (struct str){NULL, 0},
			step->output.bytes, sizeof(step->output.bytes));
	v->flags &= (uint8_t)~VISIT_RUNNING;
}

static size_t
put_end(const struct visit_state *v, const struct channel *c,
    wire_number number, uint8_t *out)
{
	uint8_t prefix[MUX_PREFIX_LEN];

	mux_prefix_encode((uint32_t)number, prefix);
	return channel_frame(c, WS_OP_BINARY, prefix,
	    visit_state_is(v, VISIT_SHARES) ? sizeof(prefix) : 0, out);
}

/* What is said of a visit that runs: when it is too late for that, what follows from it, and the
 * message. An abort may follow our own end: see PROTOCOL 5.4. */
static const struct {
	uint8_t too_late, then, op;
} words[] = {
    [VISIT_OPENED] = {VISIT_OUT_ENDED | VISIT_ANSWERED, VISIT_ANSWERED,
	CONTROL_OPENED},
    [VISIT_REFUSED] = {VISIT_OUT_ENDED, OVER_FOR_US, CONTROL_REFUSED},
    [VISIT_END] = {VISIT_OUT_ENDED, VISIT_ANSWERED | VISIT_OUT_ENDED, 0},
    [VISIT_ABORT] = {VISIT_ABORTED, OVER_FOR_US, CONTROL_ABORT},
};

size_t
visit_state_say(struct visit_state *v, const struct channel *c,
    wire_number number, enum visit_word word, const char *reason,
    uint8_t out[TAUPE_MESSAGE_MAX])
{
	if (!visit_state_is(v, VISIT_RUNNING) ||
	    visit_state_is(v, words[word].too_late))
		return 0;
	if (word == VISIT_REFUSED && visit_state_is(v, VISIT_ANSWERED))
		word = VISIT_ABORT;
	v->flags |= words[word].then;
	settle(v);
	if (word == VISIT_END)
		return put_end(v, c, number, out);
	return put(c, (enum control_op)words[word].op, number,
	    str_of(word == VISIT_REFUSED ? reason : NULL), out,
	    TAUPE_MESSAGE_MAX);
}
