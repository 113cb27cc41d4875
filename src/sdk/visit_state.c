/* SPDX-License-Identifier: MIT */
#include "sdk/visit_state.h"

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

void
visit_state_begin_refused(struct visit_state *v, const struct channel *c,
    uint64_t number, struct str reason, struct taupe_step *step)
{
	struct control_msg refusal = {
	    .op = CONTROL_REFUSED, .visit = number, .reason = reason};

	*v = (struct visit_state){.running = true,
	    .answered = true,
	    .out_ended = true,
	    .aborted = true};
	step->output.len = channel_message(
	    c, &refusal, step->output.bytes, sizeof(step->output.bytes));
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
	*v = (struct visit_state){.running = true};
	step->type = TAUPE_STEP_OPEN;
	step->from = text_of(msg->from);
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
		return "payload without a visit";
	if (v->in_ended)
		return "payload after its end";
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
		return "an end without a visit";
	if (v->in_ended)
		return "an end after the end";
	v->in_ended = true;
	if (!v->aborted)
		step->type = TAUPE_STEP_EOF;
	settle(v);
	return NULL;
}

static size_t
put_abort(const struct channel *c, uint64_t number, uint8_t *out, size_t cap)
{
	struct control_msg msg = {.op = CONTROL_ABORT, .visit = number};

	return channel_message(c, &msg, out, cap);
}

void
visit_state_take_abort(struct visit_state *v, const struct channel *c,
    uint64_t number, struct taupe_step *step)
{
	if (!v->aborted)
		step->type = TAUPE_STEP_ABORT;
	if (!v->out_ended)
		step->output.len = put_abort(
		    c, number, step->output.bytes, sizeof(step->output.bytes));
	v->running = false;
}

size_t
visit_state_opened(struct visit_state *v, const struct channel *c,
    uint64_t number, uint8_t out[TAUPE_MESSAGE_MAX])
{
	struct control_msg msg = {.op = CONTROL_OPENED, .visit = number};

	if (!visit_state_can_speak(v) || v->answered)
		return 0;
	v->answered = true;
	return channel_message(c, &msg, out, TAUPE_MESSAGE_MAX);
}

size_t
visit_state_refused(struct visit_state *v, const struct channel *c,
    uint64_t number, const char *reason, uint8_t out[TAUPE_MESSAGE_MAX])
{
	char safe[SAFE_REASON_MAX];
	struct control_msg msg = {.op = CONTROL_REFUSED,
	    .visit = number,
	    .reason = channel_safe_reason(reason, safe)};

	if (!visit_state_can_speak(v))
		return 0;
	if (v->answered)
		return visit_state_abort(v, c, number, out);
	v->answered = v->out_ended = v->aborted = true;
	settle(v);
	return channel_message(c, &msg, out, TAUPE_MESSAGE_MAX);
}

size_t
visit_state_abort(struct visit_state *v, const struct channel *c,
    uint64_t number, uint8_t out[TAUPE_MESSAGE_MAX])
{
	/* allowed after our own end of file too: see PROTOCOL 5.4 */
	if (!v->running || v->aborted)
		return 0;
	v->answered = v->out_ended = v->aborted = true;
	settle(v);
	return put_abort(c, number, out, TAUPE_MESSAGE_MAX);
}

bool
visit_state_end(struct visit_state *v)
{
	if (!visit_state_can_speak(v))
		return false;
	v->answered = v->out_ended = true;
	settle(v);
	return true;
}
