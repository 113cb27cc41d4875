/* SPDX-License-Identifier: MIT */
/*
 * The slots are routes of the table like others, but derived: they come and go with the
 * relays' own routes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "router/agent_pool.h"

#define SLOT_KEY_MAX 16

struct agent_pool {
	struct loop *loop;
	struct route_table *table;
	char *const *hosts;
	size_t n_hosts;
	struct task task;
};

static int
compare_targets(const void *a, const void *b)
{
	const struct route_target *x = a, *y = b;
	int order = memcmp(x->ip, y->ip, sizeof(x->ip));

	return order != 0 ? order : (x->port > y->port) - (x->port < y->port);
}

/* Every relay once, in an order that does not depend on who came when. At most one a
 * slot: with more relays, some get no newcomers here, and those that do send them on. */
static size_t
collect_relays(
    struct agent_pool *pool, struct route_target out[AGENT_POOL_SLOTS])
{
	const struct route_entry *entry;
	size_t cursor = 0, n = 0, i, distinct = 0;

	while (n < AGENT_POOL_SLOTS &&
	    (entry = route_table_next(pool->table, ROUTE_RELAY, &cursor)) !=
		NULL)
		if (!entry->derived)
			out[n++] = entry->target;
	qsort(out, n, sizeof(*out), compare_targets);
	for (i = 0; i < n; i++)
		if (i == 0 || compare_targets(&out[i], &out[distinct - 1]) != 0)
			out[distinct++] = out[i];
	return distinct;
}

static int
put(struct agent_pool *pool, const char *key, const struct route_target *target)
{
	return route_table_put(
	    pool->table, ROUTE_RELAY, str_of(key), target, 0, ROUTE_DERIVED);
}

static void
update_cb(void *ctx)
{
	static const struct route_target any;
	struct agent_pool *pool = ctx;
	struct route_target relays[AGENT_POOL_SLOTS];
	size_t i, n = collect_relays(pool, relays);
	char key[SLOT_KEY_MAX];
	int bad = 0;

	for (i = 0; i < AGENT_POOL_SLOTS; i++) {
		snprintf(key, sizeof(key), ROUTE_ANY "/%zu", i);
		if (n > 0)
			bad |= put(pool, key, &relays[i % n]);
		else
			route_table_remove(
			    pool->table, ROUTE_RELAY, str_of(key), true);
	}
	for (i = 0; i < pool->n_hosts; i++)
		bad |= put(pool, pool->hosts[i], &any);
	if (bad)
		log_error("no memory for the agents' common host");
}

struct agent_pool *
agent_pool_new(
    struct loop *loop, struct route_table *table, char *const *hosts, size_t n)
{
	struct agent_pool *pool = calloc(1, sizeof(*pool));

	if (pool == NULL)
		return NULL;
	pool->loop = loop;
	pool->table = table;
	pool->hosts = hosts;
	pool->n_hosts = n;
	task_init(&pool->task, update_cb, pool);
	task_post(loop, &pool->task);
	return pool;
}

void
agent_pool_free(struct agent_pool **pool)
{
	if (*pool == NULL)
		return;
	task_cancel((*pool)->loop, &(*pool)->task);
	free(*pool);
	*pool = NULL;
}

void
agent_pool_note(struct agent_pool *pool, const struct route_entry *entry)
{
	if (entry->kind == ROUTE_RELAY && !entry->derived)
		task_post(pool->loop, &pool->task);
}
