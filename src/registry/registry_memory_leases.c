/* SPDX-License-Identifier: MIT */
/*
 * One object a label, from when it is first leased until it is free again; a standing lease
 * is one that is found by its device's name, too. A device whose lease gets another label
 * gets another object, and the old one rests.
 */
#include <stdlib.h>

#include "registry/registry_memory_leases.h"

static struct str
name_cb(const struct hash_node *node)
{
	return str_of(HASH_ENTRY(node, struct memory_lease, by_name)->name);
}

static struct str
label_cb(const struct hash_node *node)
{
	return str_of(grant_label(
	    HASH_ENTRY(node, struct memory_lease, by_label)->grant));
}

struct memory_lease *
memory_lease_find(const struct memory_leases *leases, const char *name)
{
	struct hash_node *node = hash_map_find(&leases->by_name, str_of(name));

	return node ? HASH_ENTRY(node, struct memory_lease, by_name) : NULL;
}

struct memory_lease *
memory_lease_of_label(const struct memory_leases *leases, const char *label)
{
	struct hash_node *node =
	    hash_map_find(&leases->by_label, str_of(label));

	return node ? HASH_ENTRY(node, struct memory_lease, by_label) : NULL;
}

/* Events. */

static void
tell_session(
    struct memory_leases *leases, const char *name, uint64_t epoch, bool up)
{
	struct registry_event event = {
	    .type = REGISTRY_SESSION, .up = up, .epoch = epoch};

	str_copy(str_of(name), event.name, sizeof(event.name));
	str_copy(str_of(leases->relay_id), event.relay, sizeof(event.relay));
	registry_answer_event(leases->answers, &event);
}

/* The epoch of the session that is connected; 0: none is. */
static uint64_t
connected_epoch(const struct memory_lease *lease)
{
	return lease != NULL && lease->connected ? lease->grant->epoch : 0;
}

static void
tell_change(struct memory_leases *leases, const char *name, uint64_t before,
    uint64_t after)
{
	if (before == after)
		return;
	if (before != 0)
		tell_session(leases, name, before, false);
	if (after != 0)
		tell_session(leases, name, after, true);
}

/* Ending. */

static void
set_ports(const struct memory_lease *lease, struct memory_lease *to)
{
	struct lease wide;

	grant_lease(lease->grant, &wide);
	for (size_t i = 0; i < wide.n_ports; i++)
		lease->leases->of_port[wide.ports[i].port] = to;
}

/* The label is free. */
static void
drop(struct memory_lease *lease)
{
	timer_clear(lease->leases->loop, &lease->timer);
	hash_map_remove(&lease->leases->by_label, &lease->by_label);
	grant_drop(&lease->grant);
	free(lease);
}

/* It stands no more: its ports are free, and its label rests. */
static void
retire(struct memory_lease *lease)
{
	struct memory_leases *leases = lease->leases;

	set_ports(lease, NULL);
	hash_map_remove(&leases->by_name, &lease->by_name);
	lease->standing = lease->connected = false;
	if (leases->quarantine_ms > 0)
		timer_set(leases->loop, &lease->timer, leases->quarantine_ms);
	else
		drop(lease);
}

void
memory_lease_end(struct memory_lease *lease)
{
	tell_change(lease->leases, lease->name, connected_epoch(lease), 0);
	retire(lease);
}

static void
timer_cb(void *ctx)
{
	struct memory_lease *lease = ctx;

	if (lease->standing)
		memory_lease_end(lease);
	else
		drop(lease);
}

/* Writing. */

static struct memory_lease *
lease_new(struct memory_leases *leases, const char *name, struct grant *grant)
{
	size_t size = strlen(name) + 1;
	struct memory_lease *lease =
	    calloc(1, offsetof(struct memory_lease, name) + size);

	if (lease == NULL)
		return NULL;
	lease->leases = leases;
	lease->grant = grant_keep(grant);
	lease->standing = true;
	timer_init(&lease->timer, timer_cb, lease);
	memcpy(lease->name, name, size);
	return lease;
}

/* Put it where the device's lease so far and the label's rest were. */
static int
insert(struct memory_lease *lease, struct memory_lease *before)
{
	struct memory_leases *leases = lease->leases;
	struct memory_lease *rest =
	    memory_lease_of_label(leases, grant_label(lease->grant));

	if (before != NULL)
		retire(before);
	if (rest != NULL)
		drop(rest);
	/* a map that has had an entry takes another: nothing was retired or dropped */
	if (hash_map_insert(&leases->by_name, &lease->by_name) != 0)
		return -1;
	if (hash_map_insert(&leases->by_label, &lease->by_label) == 0)
		return 0;
	hash_map_remove(&leases->by_name, &lease->by_name);
	return -1;
}

/* For one with the same label. */
static void
change_grant(struct memory_lease *lease, struct grant *grant)
{
	struct grant *former = lease->grant;

	set_ports(lease, NULL);
	lease->grant = grant_keep(grant);
	grant_drop(&former);
}

int
memory_lease_write(struct memory_leases *leases, const char *name,
    struct grant *grant, bool connected, uint64_t remaining_ms)
{
	struct memory_lease *before = memory_lease_find(leases, name);
	struct memory_lease *lease = before;
	uint64_t epoch_before = connected_epoch(before);

	if (before != NULL &&
	    strcmp(grant_label(before->grant), grant_label(grant)) == 0) {
		change_grant(lease, grant);
	} else if ((lease = lease_new(leases, name, grant)) == NULL) {
		return -1;
	} else if (insert(lease, before) != 0) {
		grant_drop(&lease->grant);
		free(lease);
		return -1;
	}
	set_ports(lease, lease);
	lease->connected = connected;
	if (grant->epoch > leases->last_epoch)
		leases->last_epoch = grant->epoch;
	timer_set(leases->loop, &lease->timer, remaining_ms);
	tell_change(leases, name, epoch_before, connected_epoch(lease));
	return 0;
}

/* Life. */

void
memory_leases_init(struct memory_leases *leases, struct loop *loop,
    struct registry_answers *answers, const char *relay_id,
    uint64_t quarantine_ms)
{
	leases->loop = loop;
	leases->answers = answers;
	leases->relay_id = relay_id;
	leases->quarantine_ms = quarantine_ms;
	hash_map_init(&leases->by_name, name_cb);
	hash_map_init(&leases->by_label, label_cb);
}

static void
free_cb(void *ctx, struct hash_node *node)
{
	struct memory_lease *lease =
	    HASH_ENTRY(node, struct memory_lease, by_label);

	(void)ctx;
	timer_clear(lease->leases->loop, &lease->timer);
	grant_drop(&lease->grant);
	free(lease);
}

void
memory_leases_fini(struct memory_leases *leases)
{
	/* every one has a label */
	hash_map_each(&leases->by_label, free_cb, NULL);
	hash_map_fini(&leases->by_label);
	hash_map_fini(&leases->by_name);
}
