/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/log.h"
#include "net/crypto.h"
#include "registry/credentials.h"
#include "registry/registry_memory_edits.h"

#define WAIT_MS 5000 /* as long as taupectl waits for the same lock */
#define RETRY_MS 20

/* The answer is made before the change: one that was written must not go untold. */
struct memory_edit {
	TAILQ_ENTRY(memory_edit) link;
	uint64_t until_ms; /* loop clock */
	struct registry_answer *answer;
	union {
		struct enrolment enrolment; /* ANSWER_ENROLMENT */
		struct rotation rotation;   /* ANSWER_DONE */
	};
};

static void
edit_free(struct memory_edit *edit)
{
	if (edit == NULL)
		return;
	registry_answer_free(edit->answer);
	crypto_wipe(edit, sizeof(*edit));
	free(edit);
}

/* NULL: no memory. */
static struct memory_edit *
edit_new(struct memory_edits *edits, enum registry_answer_type type, void *ctx)
{
	struct memory_edit *edit = calloc(1, sizeof(*edit));

	if (edit == NULL)
		return NULL;
	edit->until_ms = loop_now_ms(edits->loop) + WAIT_MS;
	if ((edit->answer = registry_answer_new(type, ctx)) == NULL) {
		edit_free(edit);
		return NULL;
	}
	return edit;
}

static void
refresh(struct memory_edits *edits)
{
	memory_devices_refresh(edits->devices, edits->changed_cb, edits->ctx);
}

/* Takes the edit. Whoever looks at a device because of the answer looks after it. */
static void
answer(struct memory_edits *edits, struct memory_edit *edit)
{
	registry_answers_post(edits->answers, edit->answer);
	edit->answer = NULL;
	edit_free(edit);
	refresh(edits);
}

/* ---- one change ---- */

static bool
enrol_judge_cb(void *ctx, const struct fleet_record *fleet,
    const struct device_record *device, struct device_record *record)
{
	struct memory_edit *edit = ctx;

	edit->answer->verdict = enrolment_judge(&edit->enrolment, fleet, device,
	    loop_wall_ms(), &edit->answer->device);
	*record = edit->answer->device;
	return edit->answer->verdict == ENROLMENT_NEW;
}

static bool
rotate_edit_cb(void *ctx, struct device_record *record)
{
	struct memory_edit *edit = ctx;
	bool changed;

	edit->answer->status =
	    rotation_judge(&edit->rotation, record, &changed);
	return changed;
}

static enum memory_devices_result
try_enrol(struct memory_edits *edits, struct memory_edit *edit)
{
	enum memory_devices_result result = memory_devices_enrol(edits->devices,
	    edit->enrolment.fleet, edit->enrolment.name, enrol_judge_cb, edit);

	if (result != MEMORY_DEVICES_OK)
		edit->answer->verdict = ENROLMENT_UNAVAILABLE;
	return result;
}

static enum memory_devices_result
try_rotate(struct memory_edits *edits, struct memory_edit *edit)
{
	enum memory_devices_result result;
	bool found;

	edit->answer->status = REGISTRY_NOT_FOUND;
	result = memory_devices_change(
	    edits->devices, edit->rotation.name, rotate_edit_cb, edit, &found);
	if (result != MEMORY_DEVICES_OK)
		edit->answer->status = REGISTRY_UNAVAILABLE;
	return result;
}

/* True: it is done, well or not, and was answered. False: it has to wait. */
static bool
try_edit(struct memory_edits *edits, struct memory_edit *edit)
{
	enum memory_devices_result result =
	    edit->answer->type == ANSWER_ENROLMENT ? try_enrol(edits, edit)
						   : try_rotate(edits, edit);

	if (result == MEMORY_DEVICES_BUSY &&
	    loop_now_ms(edits->loop) < edit->until_ms)
		return false;
	if (result == MEMORY_DEVICES_BUSY)
		log_error("a device could not be written: another program "
			  "keeps the devices file locked");
	answer(edits, edit);
	return true;
}

/* ---- their turns ---- */

/* One a turn of the loop: each writes the file anew. */
static void
timer_cb(void *ctx)
{
	struct memory_edits *edits = ctx;
	struct memory_edit *edit = TAILQ_FIRST(&edits->waiting);
	uint64_t delay_ms = 0;

	TAILQ_REMOVE(&edits->waiting, edit, link);
	if (!try_edit(edits, edit)) {
		TAILQ_INSERT_HEAD(&edits->waiting, edit, link);
		delay_ms = RETRY_MS;
	}
	if (!TAILQ_EMPTY(&edits->waiting))
		timer_set(edits->loop, &edits->timer, delay_ms);
}

/* Takes it. */
static void
begin(struct memory_edits *edits, struct memory_edit *edit)
{
	bool first = TAILQ_EMPTY(&edits->waiting);

	if (first && try_edit(edits, edit))
		return;
	TAILQ_INSERT_TAIL(&edits->waiting, edit, link);
	if (first)
		timer_set(edits->loop, &edits->timer, RETRY_MS);
}

int
memory_edits_enrol(struct memory_edits *edits,
    const struct enrolment *enrolment, registry_enrol_cb cb, void *ctx)
{
	struct memory_edit *edit = edit_new(edits, ANSWER_ENROLMENT, ctx);
	struct device_record unused;

	if (edit == NULL)
		return -1;
	edit->enrolment = *enrolment;
	edit->answer->enrol_cb = cb;
	/* the file, and its lock, are for those alone who may enter as it was read last */
	refresh(edits);
	if (enrol_judge_cb(edit,
		memory_devices_find_fleet(edits->devices, enrolment->fleet),
		memory_devices_find(edits->devices, enrolment->name),
		&unused) &&
	    !enrolment->look_only)
		begin(edits, edit);
	else
		answer(edits, edit);
	return 0;
}

int
memory_edits_rotate(struct memory_edits *edits, const struct rotation *rotation,
    registry_done_cb cb, void *ctx)
{
	struct memory_edit *edit = edit_new(edits, ANSWER_DONE, ctx);

	if (edit == NULL)
		return -1;
	edit->rotation = *rotation;
	edit->answer->done_cb = cb;
	begin(edits, edit);
	return 0;
}

void
memory_edits_init(struct memory_edits *edits, struct loop *loop,
    struct registry_answers *answers, struct memory_devices *devices,
    memory_devices_cb changed_cb, void *ctx)
{
	*edits = (struct memory_edits){.loop = loop,
	    .answers = answers,
	    .devices = devices,
	    .changed_cb = changed_cb,
	    .ctx = ctx};
	timer_init(&edits->timer, timer_cb, edits);
	TAILQ_INIT(&edits->waiting);
}

void
memory_edits_fini(struct memory_edits *edits)
{
	struct memory_edit *edit;

	timer_clear(edits->loop, &edits->timer);
	while ((edit = TAILQ_FIRST(&edits->waiting)) != NULL) {
		TAILQ_REMOVE(&edits->waiting, edit, link);
		edit_free(edit);
	}
}
