/* SPDX-License-Identifier: MIT */
/*
 * Sweeping up behind the dead: the routes of leases that ended while nobody held them,
 * and of relays that did not say goodbye. Every relay sweeps; what one has begun to write
 * makes the others' transactions fail, so that each route is removed once.
 */
#include <stdlib.h>

#include "net/crypto.h"
#include "registry/registry_redis_owned.h"
#include "registry/registry_redis_records.h"

#define SWEEP_MOST 100 /* leases in one go */

struct redis_sweep {
	struct redis_tx tx;
	bool is_relay;
	bool swept; /* to be, if it is written */
	char name[DEVICE_NAME_MAX + 1];
	long long ttl_ms; /* of what stands guard; -2: it is gone */
	struct redis_owned owned;
};

static struct redis_sweep *
sweep_of(struct redis_tx *tx)
{
	return (struct redis_sweep *)(void *)tx;
}

/* lease:NAME or relay:ID stands guard over what they own. */
static const char *
guard_of(const struct redis_sweep *sweep)
{
	return sweep->is_relay ? "relay" : "lease";
}

static const char *
owner_of(const struct redis_sweep *sweep)
{
	return sweep->is_relay ? "relay" : "device";
}

static const char *
index_of(const struct redis_sweep *sweep)
{
	return sweep->is_relay ? "relays" : "leases";
}

static bool
read_ttl(struct redis_tx *tx, const redisReply *reply)
{
	sweep_of(tx)->ttl_ms = reply->integer;
	return reply->type == REDIS_REPLY_INTEGER;
}

static bool
read_owned(struct redis_tx *tx, const redisReply *reply)
{
	return redis_owned_read(&sweep_of(tx)->owned, reply);
}

static bool
read_heirs(struct redis_tx *tx, const redisReply *reply)
{
	struct redis_sweep *sweep = sweep_of(tx);

	return redis_owned_read_heirs(tx, &sweep->owned, sweep->name, reply);
}

/* It lives, for so long: look again then. */
static void
write_postponed(struct redis_tx *tx)
{
	struct redis_sweep *sweep = sweep_of(tx);
	uint64_t ttl_ms = sweep->ttl_ms >= 0 ? (uint64_t)sweep->ttl_ms
					     : tx->registry->lease_ms;

	redis_tx_queuef(tx, "ZADD taupe:leases XX %llu %s",
	    (unsigned long long)(loop_wall_ms() + ttl_ms), sweep->name);
}

static void
write_sweep(struct redis_tx *tx)
{
	struct redis_sweep *sweep = sweep_of(tx);

	sweep->swept = true;
	redis_owned_queue(tx, &sweep->owned);
	redis_tx_queuef(
	    tx, "DEL taupe:owned:%s:%s", owner_of(sweep), sweep->name);
	redis_tx_queuef(tx, "ZREM taupe:%s %s", index_of(sweep), sweep->name);
}

static void
look_over(struct redis_tx *tx)
{
	redis_tx_write(tx, write_sweep);
}

static void
looked(struct redis_tx *tx)
{
	struct redis_sweep *sweep = sweep_of(tx);

	if (sweep->ttl_ms != -2 && sweep->is_relay) {
		redis_tx_end(tx, REGISTRY_OK);
		return;
	}
	if (sweep->ttl_ms != -2) {
		redis_tx_write(tx, write_postponed);
		return;
	}
	for (size_t i = 0; i < sweep->owned.n; i++)
		sweep->owned.routes[i].leaves = true;
	if (redis_owned_ask(tx, &sweep->owned, read_heirs))
		redis_tx_then(tx, look_over);
	else
		look_over(tx);
}

static void
begin_sweep(struct redis_tx *tx)
{
	struct redis_sweep *sweep = sweep_of(tx);
	const char *name = sweep->name, *guard = guard_of(sweep),
		   *owner = owner_of(sweep);
	struct redis_args watch = REDIS_ARGS_NONE;

	redis_args_add(&watch, "WATCH");
	redis_args_addf(&watch, "taupe:%s:%s", guard, name);
	redis_args_addf(&watch, "taupe:owned:%s:%s", owner, name);
	redis_tx_watch(tx, &watch);
	redis_tx_readf(tx, read_ttl, "PTTL taupe:%s:%s", guard, name);
	redis_tx_readf(
	    tx, read_owned, "SMEMBERS taupe:owned:%s:%s", owner, name);
	redis_tx_then(tx, looked);
}

static void
tell_swept(const struct redis_sweep *sweep)
{
	struct registry_event event = {.type = sweep->is_relay
		? REGISTRY_RELAY_SWEPT
		: REGISTRY_LEASE_SWEPT};

	if (sweep->is_relay)
		(void)str_copy(
		    str_of(sweep->name), event.relay, sizeof(event.relay));
	else
		memcpy(event.name, sweep->name, sizeof(event.name));
	registry_answer_event(&sweep->tx.registry->answers, &event);
}

static void
finish_sweep(struct redis_tx *tx, enum registry_status status, bool quiet)
{
	struct redis_sweep *sweep = sweep_of(tx);

	/* what was not swept now is swept the next time */
	if (status == REGISTRY_OK && sweep->swept && !quiet)
		tell_swept(sweep);
	tx->registry->sweeper.n_running--;
	redis_owned_fini(&sweep->owned);
	free(sweep);
}

static const struct redis_tx_ops sweep_ops = {
    .name = "sweep",
    .begin = begin_sweep,
    .finish = finish_sweep,
};

static void
start_sweep(struct redis_registry *registry, bool is_relay, struct str name)
{
	struct redis_sweep *sweep = calloc(1, sizeof(*sweep));

	if (sweep == NULL)
		return;
	if (!device_name_valid(name) ||
	    !str_copy(name, sweep->name, sizeof(sweep->name))) {
		free(sweep);
		return;
	}
	sweep->is_relay = is_relay;
	registry->sweeper.n_running++;
	redis_tx_start(registry, &sweep->tx, &sweep_ops, sweep->name);
}

void
redis_sweep_relay(struct redis_registry *registry, const char *id)
{
	start_sweep(registry, true, str_of(id));
}

static void
over_cb(void *ctx, const redisReply *reply)
{
	struct redis_registry *registry = ctx;
	struct str name;

	if (reply == NULL || registry->freeing)
		return;
	if (reply->type != REDIS_REPLY_ARRAY) {
		redis_complain(registry, "sweep", reply);
		return;
	}
	for (size_t i = 0; i < reply->elements; i++)
		if (redis_reply_text(reply->element[i], &name))
			start_sweep(registry, false, name);
}

static void
set_timer(struct redis_registry *registry)
{
	uint32_t third_ms = (uint32_t)(registry->announce_ms / 3) + 1;

	/* the relays should not all come at once */
	timer_set(registry->loop, &registry->sweeper.timer,
	    registry->announce_ms - third_ms / 2 + crypto_below(third_ms));
}

static void
sweep_cb(void *ctx)
{
	struct redis_registry *registry = ctx;
	/* a relay that lives ends its leases itself: it is given the time to */
	uint64_t before_ms = loop_wall_ms() - registry->announce_ms;

	set_timer(registry);
	if (registry->up && registry->sweeper.n_running == 0)
		(void)redis_link_commandf(registry->main, over_cb, registry,
		    "ZRANGEBYSCORE taupe:leases -inf %llu LIMIT 0 %d",
		    (unsigned long long)before_ms, SWEEP_MOST);
}

void
redis_sweeper_init(struct redis_registry *registry)
{
	timer_init(&registry->sweeper.timer, sweep_cb, registry);
	set_timer(registry);
}

void
redis_sweeper_fini(struct redis_registry *registry)
{
	timer_clear(registry->loop, &registry->sweeper.timer);
}
