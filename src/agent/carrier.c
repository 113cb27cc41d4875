/* SPDX-License-Identifier: MIT */
/*
 * Each visit that we still have to do with is an object in the place that libtaupe has given
 * it; a place may be taken for longer, until the relay has ended its direction too. All that is
 * said in one turn of the loop leaves in one piece.
 */
#include "config.h"

#include <assert.h>
#include <string.h>

#include "agent/carrier.h"
#include "agent/profile.h"
#include "agent/transfer.h"

void
carrier_say(struct carrier *carrier, const uint8_t *message, size_t len)
{
	if (len == 0)
		return;
	(void)conn_append(carrier->channel, message, len);
	mux_flush_soon(&carrier->mux);
}

static void
say_word(struct carrier *carrier, size_t place, enum carrier_word word,
    const char *reason)
{
	uint8_t out[TAUPE_MESSAGE_MAX];

	carrier_say(carrier, out,
	    carrier->ops->say(carrier->owner, place, word, reason, out));
}

/* ---- its end ---- */

void
shared_visit_free(struct shared_visit *v)
{
	mux_leave(&v->side);
	v->carrier->visits[v->place] = NULL;
	pool_put(&v->carrier->agent->shared_visits, v);
}

/* Part from the service, gently or with a reset. */
static void
end_visit(struct shared_visit *v, bool reset, const char *reason)
{
	uint64_t bytes_in = v->side.to_raw_bytes,
		 bytes_out = v->side.to_channel_bytes;

	mux_leave(&v->side);
	visit_end(&v->visit, reset, reason, bytes_in, bytes_out);
	shared_visit_free(v);
}

static void
lose_visit(struct shared_visit *v, const char *reason)
{
	struct transfer *heir = v->heir;

	if (v->visit.running) {
		end_visit(v, true, reason);
		return;
	}
	shared_visit_free(v);
	if (heir != NULL)
		transfer_lose_origin(heir);
}

/* ---- a visit ---- */

/* After anything that may have ended its last direction. */
static void
settle_visit(struct shared_visit *v)
{
	struct carrier *carrier = v->carrier;

	if (carrier->ops->is_over(carrier->owner, v->place))
		end_visit(v, false, "done");
}

static void
refuse_visit(struct shared_visit *v, const char *reason)
{
	visit_report_refusal(&v->visit, reason);
	say_word(v->carrier, v->place, CARRIER_REFUSED, reason);
	end_visit(v, true, reason);
}

static void
service_dialled_cb(void *owner, const char *error)
{
	struct shared_visit *v = owner;
	struct carrier *carrier = v->carrier;

	if (error == NULL) {
		mux_join(&v->side, &v->visit.service, NULL, 0);
		return;
	}
	refuse_visit(v, error);
	carrier->ops->settle(carrier->owner);
}

static void
opened_cb(void *owner)
{
	const struct shared_visit *v = owner;

	say_word(v->carrier, v->place, CARRIER_OPENED, NULL);
}

static void
cut_cb(void *owner, const char *reason)
{
	struct shared_visit *v = owner;
	struct carrier *carrier = v->carrier;

	say_word(carrier, v->place, CARRIER_ABORT, NULL);
	end_visit(v, true, reason);
	carrier->ops->settle(carrier->owner);
}

static const struct visit_ops shared_visit_ops = {
    .dialled = service_dialled_cb,
    .opened = opened_cb,
    .cut = AGENT_HAS_TOOLS ? cut_cb : NULL,
};

static void
begin_visit(
    struct carrier *carrier, size_t place, const struct taupe_step *step)
{
	struct shared_visit *v = pool_get(&carrier->agent->shared_visits);
	const char *error;

	if (v == NULL) {
		say_word(carrier, place, CARRIER_REFUSED, "no memory");
		return;
	}
	v->carrier = carrier;
	v->place = place;
	carrier->visits[place] = v;
	visit_init(&v->visit, carrier->agent, &shared_visit_ops, v);
	mux_side_init(
	    &v->side, &carrier->mux, TAUPE_MUX_WINDOW, TAUPE_MUX_WINDOW);
	if ((error = visit_begin(&v->visit, step)) != NULL)
		refuse_visit(v, error);
}

/* The relay has reset a visit, or said its last word about one that moves. */
static void
take_last_word(struct shared_visit *v)
{
	struct transfer *heir = v->heir;
	uint64_t bytes_in = v->side.to_raw_bytes;

	if (v->visit.running) {
		end_visit(v, true, "reset by the visitor");
		return;
	}
	shared_visit_free(v);
	if (heir != NULL)
		transfer_go_on(heir, bytes_in);
}

void
carrier_take_other_step(
    struct carrier *carrier, size_t place, const struct taupe_step *step)
{
	struct shared_visit *v = carrier->visits[place];

	if (step->type == TAUPE_STEP_OPEN) {
		begin_visit(carrier, place, step);
	} else if (v == NULL) {
		return; /* we are done with it */
	} else if (step->type == TAUPE_STEP_CREDIT) {
		/* libtaupe has counted it, too */
		(void)mux_give_credit(&v->side, step->bytes);
	} else if (step->type == TAUPE_STEP_EOF) {
		mux_end_raw(&v->side);
		settle_visit(v);
	} else { /* ABORT, MOVED */
		take_last_word(v);
	}
}

/* ---- the mux's questions ---- */

static struct shared_visit *
visit_of(struct mux_side *side)
{
	return (struct shared_visit *)(void *)((char *)side -
	    offsetof(struct shared_visit, side));
}

size_t
carrier_encode(void *owner, struct mux_side *side, uint8_t *payload, size_t len)
{
	struct carrier *carrier = owner;
	uint8_t header[TAUPE_MUX_HEADER_MAX], mask[4];
	size_t header_len = carrier->ops->frame(
	    carrier->owner, visit_of(side)->place, len, header, mask);

	/* the mux does not read on when our direction has ended, nor beyond the credit */
	assert(header_len > 0 && header_len <= BUF_HEADROOM);
	visit_answered(&visit_of(side)->visit);
	taupe_mask(payload, len, mask, 0);
	memcpy(payload - header_len, header, header_len);
	return header_len;
}

void
carrier_credit(void *owner, struct mux_side *side, uint32_t bytes)
{
	struct carrier *carrier = owner;
	uint8_t out[TAUPE_MESSAGE_MAX];

	carrier_say(carrier, out,
	    carrier->ops->credit(
		carrier->owner, visit_of(side)->place, bytes, out));
}

void
carrier_raw_eof(void *owner, struct mux_side *side)
{
	struct carrier *carrier = owner;
	struct shared_visit *v = visit_of(side);

	say_word(carrier, v->place, CARRIER_EOF, NULL);
	settle_visit(v);
	carrier->ops->settle(carrier->owner);
}

void
carrier_raw_failed(void *owner, struct mux_side *side)
{
	(void)owner;
	cut_cb(visit_of(side), "reset by the service");
}

/* ---- its life ---- */

void
carrier_init(struct carrier *carrier, struct agent *agent, struct conn *channel,
    struct shared_visit **visits, size_t n_visits,
    const struct mux_ops *mux_ops, const struct carrier_ops *ops, void *owner)
{
	carrier->agent = agent;
	carrier->ops = ops;
	carrier->owner = owner;
	carrier->channel = channel;
	carrier->visits = visits;
	carrier->n_visits = n_visits;
	mux_init(&carrier->mux, channel, mux_ops, carrier);
}

void
carrier_lose_over(struct carrier *carrier, const char *reason)
{
	for (size_t i = 0; i < carrier->n_visits; i++)
		if (carrier->visits[i] != NULL &&
		    carrier->ops->is_over(carrier->owner, i))
			lose_visit(carrier->visits[i], reason);
}

void
carrier_fini(struct carrier *carrier, const char *reason)
{
	for (size_t i = 0; i < carrier->n_visits; i++)
		if (carrier->visits[i] != NULL)
			lose_visit(carrier->visits[i], reason);
	mux_fini(&carrier->mux);
}
