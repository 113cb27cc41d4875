/* SPDX-License-Identifier: MIT */
/*
 * Answers and events that wait for the loop: the registry answers by callback and never
 * from inside the call, also when it knows the answer at once. For registry_*.c alone.
 */
#ifndef TAUPE_REGISTRY_REGISTRY_ANSWER_H
#define TAUPE_REGISTRY_REGISTRY_ANSWER_H

#include "registry/registry.h"

enum registry_answer_type {
	ANSWER_EVENT,
	ANSWER_DEVICE,
	ANSWER_CLAIM,
	ANSWER_DONE,
	ANSWER_ROUTE,
	ANSWER_SESSION,
	ANSWER_ENROLMENT
};

struct registry_answer {
	TAILQ_ENTRY(registry_answer) link;
	enum registry_answer_type type;
	void *ctx;
	union {
		registry_device_cb device_cb;
		registry_claim_cb claim_cb;
		registry_done_cb done_cb;
		registry_route_cb route_cb;
		registry_session_cb session_cb;
		registry_enrol_cb enrol_cb;
	};
	union {
		enum registry_status status;
		enum enrolment_verdict verdict;
	};
	union {
		struct registry_event event;
		struct device_record device;
		struct claim_result claim;
		struct route route;
		struct session_info session;
	};
};

struct registry_answers {
	struct loop *loop;
	struct registry *registry; /* whose event_cb gets the events */
	struct task task;
	TAILQ_HEAD(, registry_answer) list;
	size_t count;
	bool *
	    freed; /* set when a callback frees the registry while answers go out */
};

void registry_answers_init(struct registry_answers *answers, struct loop *loop,
    struct registry *registry);
/* What still waits is forgotten: no callback is made. */
void registry_answers_fini(struct registry_answers *answers);

/* An answer to fill and post later, so that an operation that was begun cannot fail to
 * answer. NULL: no memory. */
struct registry_answer *registry_answer_new(enum registry_answer_type type, void *ctx);
/* One that is not posted; NULL is allowed. */
void registry_answer_free(struct registry_answer *answer);
/* Takes the answer. */
void registry_answers_post(
    struct registry_answers *answers, struct registry_answer *answer);

/* All at once. -1: no memory, and nothing will be called. record may be NULL unless the
 * status is OK; a done_cb may be NULL. */
int registry_answer_device(struct registry_answers *answers,
    registry_device_cb cb, void *ctx, enum registry_status status,
    const struct device_record *record);
int registry_answer_claim(struct registry_answers *answers,
    registry_claim_cb cb, void *ctx, const struct claim_result *result);
int registry_answer_enrolment(struct registry_answers *answers,
    registry_enrol_cb cb, void *ctx, enum enrolment_verdict verdict,
    const struct device_record *record);
int registry_answer_done(struct registry_answers *answers, registry_done_cb cb,
    void *ctx, enum registry_status status);
/* An event that there is no memory for is lost, and that is logged. */
void registry_answer_event(
    struct registry_answers *answers, const struct registry_event *event);

#endif
