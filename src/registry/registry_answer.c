/* SPDX-License-Identifier: MIT */
/* A queue of answers and one task that delivers them in order. */
#include <stdlib.h>

#include "base/log.h"
#include "registry/registry_answer.h"

static void
deliver(struct registry_answers *answers, struct registry_answer *answer)
{
	struct registry *registry = answers->registry;

	switch (answer->type) {
	case ANSWER_EVENT:
		registry->event_cb(registry->event_ctx, &answer->event);
		break;
	case ANSWER_DEVICE:
		answer->device_cb(answer->ctx, answer->status,
		    answer->status == REGISTRY_OK ? &answer->device : NULL);
		break;
	case ANSWER_CLAIM:
		answer->claim_cb(answer->ctx, &answer->claim);
		break;
	case ANSWER_DONE:
		if (answer->done_cb != NULL)
			answer->done_cb(answer->ctx, answer->status);
		break;
	case ANSWER_ROUTE:
		answer->route_cb(answer->ctx, answer->status,
		    answer->status == REGISTRY_OK ? &answer->route : NULL);
		break;
	case ANSWER_SESSION:
		answer->session_cb(answer->ctx, answer->status,
		    answer->status == REGISTRY_OK ? &answer->session : NULL);
		break;
	case ANSWER_ENROLMENT:
		answer->enrol_cb(answer->ctx, answer->verdict,
		    answer->verdict <= ENROLMENT_KNOWN ? &answer->device
						       : NULL);
		break;
	}
}

void
registry_answer_free(struct registry_answer *answer)
{
	if (answer == NULL)
		return;
	if (answer->type == ANSWER_DEVICE || answer->type == ANSWER_ENROLMENT)
		device_record_drop(&answer->device);
	free(answer);
}

/* Those that wait now, and no others: a callback that asks again must not keep the loop
 * from its sockets. */
static void
deliver_cb(void *ctx)
{
	struct registry_answers *answers = ctx;
	struct registry_answer *answer;
	bool freed = false;

	answers->freed = &freed;
	for (size_t n = answers->count; n > 0; n--) {
		answer = TAILQ_FIRST(&answers->list);
		TAILQ_REMOVE(&answers->list, answer, link);
		answers->count--;
		deliver(answers, answer);
		registry_answer_free(answer);
		if (freed)
			return;
	}
	answers->freed = NULL;
	if (answers->count > 0)
		task_post(answers->loop, &answers->task);
}

void
registry_answers_init(struct registry_answers *answers, struct loop *loop,
    struct registry *registry)
{
	answers->loop = loop;
	answers->registry = registry;
	answers->count = 0;
	answers->freed = NULL;
	TAILQ_INIT(&answers->list);
	task_init(&answers->task, deliver_cb, answers);
}

void
registry_answers_fini(struct registry_answers *answers)
{
	struct registry_answer *answer;

	if (answers->freed != NULL)
		*answers->freed = true;
	task_cancel(answers->loop, &answers->task);
	while ((answer = TAILQ_FIRST(&answers->list)) != NULL) {
		TAILQ_REMOVE(&answers->list, answer, link);
		registry_answer_free(answer);
	}
}

struct registry_answer *
registry_answer_new(enum registry_answer_type type, void *ctx)
{
	struct registry_answer *answer = calloc(1, sizeof(*answer));

	if (answer == NULL)
		return NULL;
	answer->type = type;
	answer->ctx = ctx;
	return answer;
}

void
registry_answers_post(
    struct registry_answers *answers, struct registry_answer *answer)
{
	TAILQ_INSERT_TAIL(&answers->list, answer, link);
	answers->count++;
	task_post(answers->loop, &answers->task);
}

int
registry_answer_device(struct registry_answers *answers, registry_device_cb cb,
    void *ctx, enum registry_status status, const struct device_record *record)
{
	struct registry_answer *answer =
	    registry_answer_new(ANSWER_DEVICE, ctx);

	if (answer == NULL)
		return -1;
	answer->device_cb = cb;
	answer->status = status;
	if (status == REGISTRY_OK)
		device_record_copy(&answer->device, record);
	registry_answers_post(answers, answer);
	return 0;
}

int
registry_answer_claim(struct registry_answers *answers, registry_claim_cb cb,
    void *ctx, const struct claim_result *result)
{
	struct registry_answer *answer = registry_answer_new(ANSWER_CLAIM, ctx);

	if (answer == NULL)
		return -1;
	answer->claim_cb = cb;
	answer->claim = *result;
	registry_answers_post(answers, answer);
	return 0;
}

int
registry_answer_enrolment(struct registry_answers *answers,
    registry_enrol_cb cb, void *ctx, enum enrolment_verdict verdict,
    const struct device_record *record)
{
	struct registry_answer *answer =
	    registry_answer_new(ANSWER_ENROLMENT, ctx);

	if (answer == NULL)
		return -1;
	answer->enrol_cb = cb;
	answer->verdict = verdict;
	device_record_copy(&answer->device, record);
	registry_answers_post(answers, answer);
	return 0;
}

int
registry_answer_done(struct registry_answers *answers, registry_done_cb cb,
    void *ctx, enum registry_status status)
{
	struct registry_answer *answer = registry_answer_new(ANSWER_DONE, ctx);

	if (answer == NULL)
		return -1;
	answer->done_cb = cb;
	answer->status = status;
	registry_answers_post(answers, answer);
	return 0;
}

void
registry_answer_event(
    struct registry_answers *answers, const struct registry_event *event)
{
	struct registry_answer *answer =
	    registry_answer_new(ANSWER_EVENT, NULL);

	if (answer == NULL) {
		log_error("a registry event was lost: out of memory",
		    LOG_S("device", event->name));
		return;
	}
	answer->event = *event;
	registry_answers_post(answers, answer);
}
