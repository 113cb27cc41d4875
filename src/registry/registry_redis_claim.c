/* SPDX-License-Identifier: MIT */
/*
 * Claiming a name: read who holds it and what it has, look at the candidates for label
 * and ports, and write it all at once. Everything that was looked at is watched, so that
 * two relays never grant the same.
 */
#include <stdlib.h>

#include "net/crypto.h"
#include "registry/claim_plan.h"
#include "registry/registry_redis_records.h"

#define CANDIDATES_MAX 256
#define LOOKS_MAX 2000 /* at candidates, before we call the ports exhausted */

struct port_candidate {
	uint16_t port;
	bool drawn;
	struct plan_fact fact;
};

struct redis_claim {
	struct redis_tx tx;
	struct claim claim;
	struct registry_answer *answer;
	/* as it stands */
	bool has_session;
	struct session_info session;
	struct redis_lease standing;
	/* what it could become */
	struct claim_plan plan;
	struct plan_fact label_facts[PLAN_LABELS_MAX];
	char label_owner[DEVICE_NAME_MAX + 1]; /* who has our reserved label */
	size_t n_candidates;
	struct port_candidate candidates[CANDIDATES_MAX];
	uint16_t cursor;  /* where ports are drawn next */
	uint32_t n_drawn; /* so far, of all public ports */
	size_t n_draws;	  /* in the next look */
	unsigned n_looks;
	struct claim_result result;
};

static void look(struct redis_tx *tx);

static struct redis_claim *
claim_of(struct redis_tx *tx)
{
	return (struct redis_claim *)(void *)tx;
}

static bool
read_session(struct redis_tx *tx, const redisReply *reply)
{
	struct redis_claim *op = claim_of(tx);

	return redis_session_read(reply, &op->session, &op->has_session);
}

static bool
read_lease(struct redis_tx *tx, const redisReply *reply)
{
	return redis_lease_read(reply, &claim_of(tx)->standing);
}

static void
end_with(struct redis_claim *op, enum registry_status status)
{
	op->result.status = status;
	redis_tx_end(&op->tx, REGISTRY_OK);
}

/* Writing. */

static void
fill_session(struct redis_claim *op)
{
	struct session_info *session = &op->result.session;
	uint64_t last = op->standing.epoch;

	if (op->has_session && op->session.epoch > last)
		last = op->session.epoch;
	*session =
	    (struct session_info){.epoch = claim_next_epoch(&op->claim, last),
		.since_ms = loop_wall_ms()};
	memcpy(session->relay, op->tx.registry->id, sizeof(session->relay));
	memcpy(
	    session->instance, op->claim.instance, sizeof(session->instance));
	memcpy(session->from, op->claim.from, sizeof(session->from));
	op->result.lease.epoch = session->epoch;
}

static void
undo_claim(struct redis_tx *tx)
{
	if (tx->registry->view.agents > 0)
		tx->registry->view.agents--;
}

static void
write_claim(struct redis_tx *tx)
{
	struct redis_claim *op = claim_of(tx);
	const char *name = op->claim.name;

	fill_session(op);
	op->result.status = REGISTRY_OK;
	op->result.new_lease = !op->standing.exists ||
	    !lease_covers(&op->standing.lease, &op->result.lease);
	tx->registry->view.agents++;
	redis_queue_session(tx, name, &op->result.session);
	redis_queue_lease(tx, name, &op->standing, &op->result.lease,
	    &op->result.session, tx->registry->lease_ms);
	if (op->has_session)
		redis_queue_session_event(tx, name, &op->session, false);
	redis_queue_session_event(tx, name, &op->result.session, true);
}

/* Choosing. */

static bool
choose_label(struct redis_claim *op)
{
	const struct claim_plan *plan = &op->plan;

	for (size_t i = 0; i < plan->n_labels; i++) {
		if (!claim_plan_acceptable(
			plan->labels[i].source, &op->label_facts[i]))
			continue;
		memcpy(op->result.lease.label, plan->labels[i].label,
		    LABEL_MAX + 1);
		op->result.new_label = plan->labels[i].source == PLAN_DRAWN;
		return true;
	}
	return false;
}

static bool
is_chosen(const struct lease *lease, uint16_t port)
{
	for (size_t i = 0; i < lease->n_ports; i++)
		if (lease->ports[i].port == port)
			return true;
	return false;
}

static bool
may_have(const struct redis_claim *op, const struct port_candidate *candidate,
    enum plan_source source)
{
	return claim_plan_acceptable(source, &candidate->fact) &&
	    !is_chosen(&op->result.lease, candidate->port);
}

static const struct port_candidate *
find_candidate(const struct redis_claim *op, uint16_t port)
{
	const struct port_candidate *candidate = op->candidates;

	while (candidate->port != port)
		candidate++; /* preferred ports are always among them */
	return candidate;
}

/* 0: none of those that were looked at. */
static uint16_t
choose_port(const struct redis_claim *op, const struct plan_service *service)
{
	for (size_t i = 0; i < service->n_ports; i++)
		if (may_have(op, find_candidate(op, service->ports[i].port),
			service->ports[i].source))
			return service->ports[i].port;
	if (service->n_ports > 0 && service->ports[0].source == PLAN_RESERVED)
		return 0;
	for (size_t i = 0; i < op->n_candidates; i++)
		if (op->candidates[i].drawn &&
		    may_have(op, &op->candidates[i], PLAN_DRAWN))
			return op->candidates[i].port;
	return 0;
}

/* Returns the service that got none, or NULL. */
static const struct plan_service *
choose_ports(struct redis_claim *op)
{
	struct lease *lease = &op->result.lease;

	lease->n_ports = 0;
	for (size_t i = 0; i < op->plan.n_services; i++) {
		const struct plan_service *service = &op->plan.services[i];
		uint16_t port = choose_port(op, service);

		if (port == 0)
			return service;
		memcpy(lease->ports[lease->n_ports].service, service->name,
		    sizeof(service->name));
		lease->ports[lease->n_ports++].port = port;
	}
	return NULL;
}

static void
look_again(struct redis_claim *op)
{
	if (++op->n_looks < LOOKS_MAX)
		look(&op->tx);
	else
		end_with(op, REGISTRY_EXHAUSTED);
}

static void
choose(struct redis_tx *tx)
{
	struct redis_claim *op = claim_of(tx);
	const struct plan_service *lacking;

	if (!choose_label(op)) {
		if (op->plan.labels[0].source == PLAN_RESERVED) {
			end_with(op, REGISTRY_EXHAUSTED);
			return;
		}
		/* the drawn one was taken: draw another */
		claim_plan_make(&op->plan, &op->claim,
		    op->standing.exists ? &op->standing.lease : NULL,
		    &tx->registry->public_ports);
		look_again(op);
		return;
	}
	lacking = choose_ports(op);
	if (lacking == NULL) {
		redis_tx_write(tx, write_claim);
	} else if ((lacking->n_ports > 0 &&
		       lacking->ports[0].source == PLAN_RESERVED) ||
	    op->n_drawn >= tx->registry->public_ports.count) {
		end_with(op, REGISTRY_EXHAUSTED);
	} else {
		op->n_draws = op->n_draws * 2 + 2 * op->plan.n_services;
		look_again(op);
	}
}

/* Looking at candidates. */

static void
add_candidate(struct redis_claim *op, uint16_t port, bool drawn)
{
	for (size_t i = 0; i < op->n_candidates; i++)
		if (op->candidates[i].port == port) {
			op->candidates[i].drawn |= drawn;
			return;
		}
	op->candidates[op->n_candidates++] =
	    (struct port_candidate){port, drawn, {0}};
}

/* Those that were drawn and are free stay; they are looked at once more. */
static void
keep_free_candidates(struct redis_claim *op)
{
	size_t kept = 0;

	for (size_t i = 0; i < op->n_candidates && kept < SERVICES_MAX; i++)
		if (op->candidates[i].drawn &&
		    claim_plan_acceptable(PLAN_DRAWN, &op->candidates[i].fact))
			op->candidates[kept++] = op->candidates[i];
	op->n_candidates = kept;
}

static void
collect_candidates(struct redis_claim *op)
{
	const struct port_set *public_ports = &op->tx.registry->public_ports;

	keep_free_candidates(op);
	for (size_t i = 0; i < op->plan.n_services; i++)
		for (size_t k = 0; k < op->plan.services[i].n_ports; k++)
			add_candidate(
			    op, op->plan.services[i].ports[k].port, false);
	for (size_t i = 0;
	     i < op->n_draws && op->n_candidates < CANDIDATES_MAX &&
	     op->n_drawn < public_ports->count;
	     i++) {
		op->cursor = port_set_next(public_ports, op->cursor);
		add_candidate(op, op->cursor++, true);
		op->n_drawn++;
	}
}

/* Whose is it? */
static bool
read_owners(struct redis_claim *op, const redisReply *reply, bool reserved)
{
	size_t n_labels = op->plan.n_labels;

	if (!redis_reply_is_array(reply, n_labels + op->n_candidates))
		return false;
	for (size_t i = 0; i < reply->elements; i++) {
		struct plan_fact *fact = i < n_labels
		    ? &op->label_facts[i]
		    : &op->candidates[i - n_labels].fact;
		struct str owner;
		bool is_mine;

		if (reply->element[i]->type == REDIS_REPLY_NIL)
			continue;
		if (!redis_reply_text(reply->element[i], &owner))
			return false;
		is_mine = str_equal(owner, str_of(op->claim.name));
		if (reserved) {
			fact->reserved_for_other = !is_mine;
			continue;
		}
		fact->taken = true;
		fact->mine = is_mine;
		if (i == 0 && !is_mine &&
		    (!device_name_valid(owner) ||
			!str_copy(
			    owner, op->label_owner, sizeof(op->label_owner))))
			return false;
	}
	return true;
}

static bool
read_taken(struct redis_tx *tx, const redisReply *reply)
{
	return read_owners(claim_of(tx), reply, false);
}

static bool
read_reserved(struct redis_tx *tx, const redisReply *reply)
{
	return read_owners(claim_of(tx), reply, true);
}

/* Does the other one's standing lease have the label? */
static bool
read_owner_label(struct redis_tx *tx, const redisReply *reply)
{
	struct redis_claim *op = claim_of(tx);
	struct str label;

	if (reply->type == REDIS_REPLY_NIL) {
		op->label_facts[0].resting = true;
		return true;
	}
	if (!redis_reply_text(reply, &label))
		return false;
	op->label_facts[0].resting =
	    !str_equal(label, str_of(op->plan.labels[0].label));
	return true;
}

static void
looked(struct redis_tx *tx)
{
	struct redis_claim *op = claim_of(tx);
	struct redis_args watch = REDIS_ARGS_NONE;

	if (op->plan.labels[0].source != PLAN_RESERVED ||
	    op->label_owner[0] == '\0') {
		choose(tx);
		return;
	}
	redis_args_add(&watch, "WATCH");
	redis_args_addf(&watch, "taupe:lease:%s", op->label_owner);
	redis_tx_watch(tx, &watch);
	redis_tx_readf(
	    tx, read_owner_label, "HGET taupe:lease:%s label", op->label_owner);
	redis_tx_then(tx, choose);
}

static void
add_names(const struct redis_claim *op, struct redis_args *args,
    const char *label_prefix, const char *port_prefix)
{
	for (size_t i = 0; i < op->plan.n_labels; i++)
		redis_args_addf(
		    args, "%s%s", label_prefix, op->plan.labels[i].label);
	for (size_t i = 0; i < op->n_candidates; i++)
		redis_args_addf(args, "%s%u", port_prefix,
		    (unsigned)op->candidates[i].port);
}

static void
look(struct redis_tx *tx)
{
	struct redis_claim *op = claim_of(tx);
	struct redis_args watch = REDIS_ARGS_NONE, get = REDIS_ARGS_NONE,
			  reserved = REDIS_ARGS_NONE;

	collect_candidates(op);
	memset(op->label_facts, 0, sizeof(op->label_facts));
	op->label_owner[0] = '\0';
	for (size_t i = 0; i < op->n_candidates; i++)
		op->candidates[i].fact = (struct plan_fact){0};
	redis_args_add(&watch, "WATCH");
	add_names(op, &watch, "taupe:label:", "taupe:port:");
	redis_args_add(&get, "MGET");
	add_names(op, &get, "taupe:label:", "taupe:port:");
	redis_args_add(&reserved, "HMGET");
	redis_args_add(&reserved, "taupe:reserved");
	add_names(op, &reserved, "label/", "port/");
	redis_tx_watch(tx, &watch);
	redis_tx_read(tx, read_taken, &get);
	redis_tx_read(tx, read_reserved, &reserved);
	redis_tx_then(tx, looked);
}

/* Who holds the name? */

static bool
is_held(const struct redis_claim *op)
{
	return op->has_session &&
	    strcmp(op->session.instance, op->claim.instance) != 0 &&
	    op->session.epoch != op->claim.over_epoch;
}

/* Services that prefer no port need drawn ones at once. */
static size_t
count_undecided(const struct claim_plan *plan)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->n_services; i++)
		if (plan->services[i].n_ports == 0)
			n++;
	return n;
}

static void
decide(struct redis_tx *tx)
{
	struct redis_claim *op = claim_of(tx);

	if (is_held(op)) {
		op->result.session = op->session;
		end_with(op, REGISTRY_HELD);
		return;
	}
	claim_plan_make(&op->plan, &op->claim,
	    op->standing.exists ? &op->standing.lease : NULL,
	    &tx->registry->public_ports);
	op->cursor = claim_plan_any_port(&tx->registry->public_ports);
	op->n_drawn = op->n_looks = 0;
	op->n_candidates = 0;
	op->n_draws = 2 * count_undecided(&op->plan);
	look(tx);
}

static void
begin_claim(struct redis_tx *tx)
{
	struct redis_claim *op = claim_of(tx);
	const char *name = op->claim.name;
	struct redis_args watch = REDIS_ARGS_NONE;

	op->result = (struct claim_result){0};
	redis_args_add(&watch, "WATCH");
	redis_args_addf(&watch, "taupe:session:%s", name);
	redis_args_addf(&watch, "taupe:lease:%s", name);
	redis_tx_watch(tx, &watch);
	redis_tx_readf(tx, read_session, "GET taupe:session:%s", name);
	redis_tx_readf(tx, read_lease, "HGETALL taupe:lease:%s", name);
	redis_tx_then(tx, decide);
}

static void
finish_claim(struct redis_tx *tx, enum registry_status status, bool quiet)
{
	struct redis_claim *op = claim_of(tx);

	if (status != REGISTRY_OK)
		op->result.status = status;
	op->answer->claim = op->result;
	if (quiet)
		registry_answer_free(op->answer);
	else
		registry_answers_post(&tx->registry->answers, op->answer);
	free(op);
}

static const struct redis_tx_ops claim_ops = {
    .name = "claim",
    .begin = begin_claim,
    .finish = finish_claim,
    .undo = undo_claim,
};

int
redis_claim_start(struct registry *registry, const struct claim *claim,
    registry_claim_cb cb, void *ctx)
{
	struct redis_claim *op = calloc(1, sizeof(*op));

	if (op == NULL ||
	    (op->answer = registry_answer_new(ANSWER_CLAIM, ctx)) == NULL) {
		free(op);
		return -1;
	}
	op->claim = *claim;
	op->claim.device.access = NULL; /* the caller's, both */
	op->claim.device.hosts = NULL;
	op->answer->claim_cb = cb;
	redis_tx_start(
	    redis_registry_of(registry), &op->tx, &claim_ops, op->claim.name);
	return 0;
}
