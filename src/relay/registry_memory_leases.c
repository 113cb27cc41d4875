/* SPDX-License-Identifier: MIT */
/*
 * One timer a lease, and one a label at rest. A label's entry outlives its lease by the
 * quarantine, so that a label is free exactly when there is no entry.
 */
#include <stdlib.h>

#include "relay/registry_memory_leases.h"

static struct str
lease_key_cb(const struct hash_node *node)
{
	return str_of(HASH_ENTRY(node, struct memory_lease, node)->name);
}

static struct str
label_key_cb(const struct hash_node *node)
{
	return str_of(HASH_ENTRY(node, struct memory_label, node)->label);
}

struct memory_lease *
memory_lease_find(const struct memory_leases *leases, const char *name)
{
	struct hash_node *node = hash_map_find(&leases->by_name, str_of(name));

	return node ? HASH_ENTRY(node, struct memory_lease, node) : NULL;
}

struct memory_label *
memory_label_find(const struct memory_leases *leases, const char *label)
{
	struct hash_node *node = hash_map_find(&leases->labels, str_of(label));

	return node ? HASH_ENTRY(node, struct memory_label, node) : NULL;
}

static void
tell_session(struct memory_leases *leases, const char *name,
    const struct session_info *session, bool up)
{
	struct registry_event event = {
	    .type = REGISTRY_SESSION, .up = up, .epoch = session->epoch};

	str_copy(str_of(name), event.name, sizeof(event.name));
	str_copy(str_of(session->relay), event.relay, sizeof(event.relay));
	registry_answer_event(leases->answers, &event);
}

/* Labels. */

static void
drop_label(struct memory_label *label)
{
	timer_clear(label->leases->loop, &label->rest);
	hash_map_remove(&label->leases->labels, &label->node);
	free(label);
}

static void
rest_over_cb(void *ctx)
{
	drop_label(ctx);
}

/* The lease no longer has it. */
static void
release_label(struct memory_leases *leases, const char *text)
{
	struct memory_label *label = memory_label_find(leases, text);

	if (label == NULL)
		return;
	if (leases->quarantine_ms == 0) {
		drop_label(label);
		return;
	}
	label->lease = NULL;
	timer_set(leases->loop, &label->rest, leases->quarantine_ms);
}

/* Precondition: nobody else's lease has it. */
static int
take_label(
    struct memory_leases *leases, struct memory_lease *lease, const char *text)
{
	struct memory_label *label = memory_label_find(leases, text);

	if (label == NULL) {
		label = calloc(1, sizeof(*label));
		if (label == NULL)
			return -1;
		label->leases = leases;
		timer_init(&label->rest, rest_over_cb, label);
		str_copy(str_of(text), label->label, sizeof(label->label));
		if (hash_map_insert(&leases->labels, &label->node) != 0) {
			free(label);
			return -1;
		}
	}
	timer_clear(leases->loop, &label->rest);
	label->lease = lease;
	str_copy(str_of(lease->name), label->device, sizeof(label->device));
	return 0;
}

/* Leases. */

void
memory_lease_end(struct memory_lease *lease)
{
	struct memory_leases *leases = lease->leases;

	if (lease->connected)
		tell_session(leases, lease->name, &lease->session, false);
	timer_clear(leases->loop, &lease->end);
	release_label(leases, lease->lease.label);
	for (size_t i = 0; i < lease->lease.n_ports; i++)
		leases->of_port[lease->lease.ports[i].port] = NULL;
	hash_map_remove(&leases->by_name, &lease->node);
	free(lease);
}

static void
lease_over_cb(void *ctx)
{
	memory_lease_end(ctx);
}

static struct memory_lease *
new_lease(struct memory_leases *leases, const char *name)
{
	struct memory_lease *lease = calloc(1, sizeof(*lease));

	if (lease == NULL)
		return NULL;
	lease->leases = leases;
	timer_init(&lease->end, lease_over_cb, lease);
	str_copy(str_of(name), lease->name, sizeof(lease->name));
	if (hash_map_insert(&leases->by_name, &lease->node) != 0) {
		free(lease);
		return NULL;
	}
	return lease;
}

/* Give a lease this label and these ports and no others. -1: no memory. Precondition: no
 * other lease has one of them. */
static int
set_lease(struct memory_leases *leases, struct memory_lease *lease,
    const struct lease *to)
{
	if (take_label(leases, lease, to->label) != 0)
		return -1;
	if (lease->lease.label[0] != '\0' &&
	    strcmp(lease->lease.label, to->label) != 0)
		release_label(leases, lease->lease.label);
	for (size_t i = 0; i < lease->lease.n_ports; i++)
		leases->of_port[lease->lease.ports[i].port] = NULL;
	for (size_t i = 0; i < to->n_ports; i++)
		leases->of_port[to->ports[i].port] = lease;
	lease->lease = *to;
	return 0;
}

/* A session takes the place of the one before. */
static void
set_session(struct memory_lease *lease, const struct session_info *session,
    bool connected)
{
	bool same = lease->session.epoch == session->epoch;

	if (lease->connected && !(same && connected))
		tell_session(
		    lease->leases, lease->name, &lease->session, false);
	if (connected && !(same && lease->connected))
		tell_session(lease->leases, lease->name, session, true);
	lease->session = *session;
	lease->connected = connected;
	if (session->epoch > lease->leases->last_epoch)
		lease->leases->last_epoch = session->epoch;
}

int
memory_lease_write(struct memory_leases *leases, const char *name,
    const struct lease *to, const struct session_info *session, bool connected,
    uint64_t remaining_ms)
{
	struct memory_lease *lease = memory_lease_find(leases, name);
	bool is_new = lease == NULL;

	if (is_new && (lease = new_lease(leases, name)) == NULL)
		return -1;
	if (set_lease(leases, lease, to) != 0) {
		if (is_new)
			memory_lease_end(lease);
		return -1;
	}
	set_session(lease, session, connected);
	timer_set(leases->loop, &lease->end, remaining_ms);
	return 0;
}

/* Life. */

void
memory_leases_init(struct memory_leases *leases, struct loop *loop,
    struct registry_answers *answers, uint64_t quarantine_ms)
{
	leases->loop = loop;
	leases->answers = answers;
	leases->quarantine_ms = quarantine_ms;
	hash_map_init(&leases->by_name, lease_key_cb);
	hash_map_init(&leases->labels, label_key_cb);
}

static void
free_lease_cb(void *ctx, struct hash_node *node)
{
	struct memory_lease *lease =
	    HASH_ENTRY(node, struct memory_lease, node);

	(void)ctx;
	timer_clear(lease->leases->loop, &lease->end);
	free(lease);
}

static void
free_label_cb(void *ctx, struct hash_node *node)
{
	struct memory_label *label =
	    HASH_ENTRY(node, struct memory_label, node);

	(void)ctx;
	timer_clear(label->leases->loop, &label->rest);
	free(label);
}

void
memory_leases_fini(struct memory_leases *leases)
{
	hash_map_each(&leases->by_name, free_lease_cb, NULL);
	hash_map_each(&leases->labels, free_label_cb, NULL);
	hash_map_fini(&leases->by_name);
	hash_map_fini(&leases->labels);
}
