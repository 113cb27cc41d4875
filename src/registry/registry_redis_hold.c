/* SPDX-License-Identifier: MIT */
/*
 * Writing what a relay holds of a device, and taking it back when the lease is over. Both
 * are fenced by the epoch: who lost the device to a newer session writes nothing.
 */
#include <stdlib.h>

#include "registry/grant.h"
#include "registry/registry_redis_owned.h"
#include "registry/registry_redis_records.h"

/* A holding, unpacked. */
struct redis_holding {
	char name[DEVICE_NAME_MAX + 1];
	struct session_info session;
	struct lease lease;
	bool connected, claimed;
	uint64_t remaining_ms;
	size_t n_routes; /* in route_list */
};

/* How a route stands there. */
struct held_route {
	bool is_new;	/* the registry has another or none */
	bool is_others; /* its further name is reserved for another device */
	bool is_marked; /* host:HOST says that its further name is ours */
};

struct redis_hold {
	struct redis_tx tx;
	struct registry_answer *answer;
	struct redis_holding holding;
	struct route *route_list;
	struct held_route *held; /* one a route */
	/* as it stands */
	bool has_session;
	struct session_info session;
	struct redis_lease standing;
	bool granted_elsewhere; /* the label or a port is another device's */
	struct redis_owned owned;
	enum registry_status outcome;
};

static struct redis_hold *
hold_of(struct redis_tx *tx)
{
	return (struct redis_hold *)(void *)tx;
}

/* Reading. */

static bool
read_session(struct redis_tx *tx, const redisReply *reply)
{
	struct redis_hold *op = hold_of(tx);

	return redis_session_read(reply, &op->session, &op->has_session);
}

static bool
read_lease(struct redis_tx *tx, const redisReply *reply)
{
	return redis_lease_read(reply, &hold_of(tx)->standing);
}

/* MGET of the label and the ports: who has them. */
static bool
read_owners(struct redis_tx *tx, const redisReply *reply)
{
	struct redis_hold *op = hold_of(tx);
	struct str owner;

	op->granted_elsewhere = false;
	if (!redis_reply_is_array(reply, 1 + op->holding.lease.n_ports))
		return false;
	for (size_t i = 0; i < reply->elements; i++) {
		if (reply->element[i]->type == REDIS_REPLY_NIL)
			continue;
		if (!redis_reply_text(reply->element[i], &owner))
			return false;
		if (!str_equal(owner, str_of(op->holding.name)))
			op->granted_elsewhere = true;
	}
	return true;
}

static bool
read_owned(struct redis_tx *tx, const redisReply *reply)
{
	return redis_owned_read(&hold_of(tx)->owned, reply);
}

static bool
read_heirs(struct redis_tx *tx, const redisReply *reply)
{
	struct redis_hold *op = hold_of(tx);

	return redis_owned_read_heirs(tx, &op->owned, op->holding.name, reply);
}

static bool
read_routes(struct redis_tx *tx, const redisReply *reply)
{
	struct redis_hold *op = hold_of(tx);

	if (!redis_reply_is_array(reply, op->holding.n_routes))
		return false;
	for (size_t i = 0; i < reply->elements; i++)
		op->held[i].is_new =
		    !redis_route_is(reply->element[i], &op->route_list[i]);
	return true;
}

/* The next route by a further name from *route on, and what the reply says of it, which may be nothing.
 * False: there is no other. */
static bool
next_owner(const struct redis_hold *op, const redisReply *reply, size_t *route,
    size_t *at, struct str *owner)
{
	while (
	    *route < op->holding.n_routes && !op->route_list[*route].is_further)
		++*route;
	if (*route == op->holding.n_routes)
		return false;
	*owner = (struct str){0};
	if (*at < reply->elements)
		(void)redis_reply_text(reply->element[*at], owner);
	++*at;
	return true;
}

/* HMGET of what is reserved: one that is reserved for nobody is ours all the same, for the operator's
 * data may be what was lost. */
static bool
read_reserved(struct redis_tx *tx, const redisReply *reply)
{
	struct redis_hold *op = hold_of(tx);
	struct str owner;
	size_t at = 0;

	if (reply->type != REDIS_REPLY_ARRAY)
		return false;
	for (size_t i = 0; next_owner(op, reply, &i, &at, &owner); i++)
		op->held[i].is_others = owner.ptr != NULL &&
		    !str_equal(owner, str_of(op->holding.name));
	return at == reply->elements;
}

/* MGET of host:HOST. */
static bool
read_marks(struct redis_tx *tx, const redisReply *reply)
{
	struct redis_hold *op = hold_of(tx);
	struct str owner;
	size_t at = 0;

	if (reply->type != REDIS_REPLY_ARRAY)
		return false;
	for (size_t i = 0; next_owner(op, reply, &i, &at, &owner); i++)
		op->held[i].is_marked = owner.ptr != NULL &&
		    str_equal(owner, str_of(op->holding.name));
	return at == reply->elements;
}

/* Is a later session than ours known? */
static bool
is_stale(const struct redis_hold *op)
{
	uint64_t ours = op->holding.session.epoch;

	return (op->has_session && op->session.epoch > ours) ||
	    op->standing.epoch > ours;
}

static void
end_with(struct redis_hold *op, enum registry_status outcome)
{
	op->outcome = outcome;
	redis_tx_end(&op->tx, REGISTRY_OK);
}

/* Writing. */

static bool
has_route(const struct redis_hold *op, const char *key)
{
	for (size_t i = 0; i < op->holding.n_routes; i++)
		if (!op->held[i].is_others &&
		    strcmp(op->route_list[i].key, key) == 0)
			return true;
	return false;
}

/* What we own, and the routes that we hold and no others are ours from now on. */
static void
queue_owned(struct redis_hold *op)
{
	const struct redis_holding *holding = &op->holding;
	struct redis_args gone = REDIS_ARGS_NONE, ours = REDIS_ARGS_NONE;
	bool any_gone = false, any_ours = false;

	redis_args_add(&gone, "SREM");
	redis_args_addf(&gone, "taupe:owned:device:%s", holding->name);
	for (size_t i = 0; i < op->owned.n; i++)
		if (op->owned.routes[i].leaves) {
			redis_args_add(&gone, op->owned.routes[i].key);
			any_gone = true;
		}
	if (any_gone)
		redis_tx_queue(&op->tx, &gone);
	else
		redis_args_fini(&gone);
	redis_args_add(&ours, "SADD");
	redis_args_addf(&ours, "taupe:owned:device:%s", holding->name);
	for (size_t i = 0; i < holding->n_routes; i++)
		if (!op->held[i].is_others) {
			redis_args_add(&ours, op->route_list[i].key);
			any_ours = true;
		}
	if (any_ours)
		redis_tx_queue(&op->tx, &ours);
	else
		redis_args_fini(&ours);
}

static const char *
host_of(const struct route *route)
{
	return strchr(route->key, '/') + 1;
}

/* The mark goes with a route of another kind by the same name: the service has become another. */
static bool
loses_mark(const struct redis_hold *op, const char *host)
{
	for (size_t i = 0; i < op->owned.n; i++)
		if (op->owned.routes[i].is_further &&
		    strcmp(strchr(op->owned.routes[i].key, '/') + 1, host) == 0)
			return true;
	return false;
}

static void
queue_route(struct redis_hold *op, const struct route *route,
    const struct held_route *held)
{
	if (held->is_others)
		return;
	if (held->is_new)
		redis_queue_route(&op->tx, route, op->holding.session.epoch);
	if (route->is_further &&
	    (!held->is_marked || loses_mark(op, host_of(route))))
		redis_tx_queuef(&op->tx, "SET taupe:host:%s %s", host_of(route),
		    op->holding.name);
}

static void
queue_routes(struct redis_hold *op)
{
	const struct redis_holding *holding = &op->holding;

	redis_owned_queue(&op->tx, &op->owned);
	for (size_t i = 0; i < holding->n_routes; i++)
		queue_route(op, &op->route_list[i], &op->held[i]);
	queue_owned(op);
}

/* The session that stands there is the one that we write about. */
static bool
session_is_ours(const struct redis_hold *op)
{
	return op->has_session &&
	    op->session.epoch == op->holding.session.epoch;
}

static void
queue_session(struct redis_hold *op)
{
	struct redis_tx *tx = &op->tx;
	const struct redis_holding *holding = &op->holding;
	bool was_ours = session_is_ours(op);

	if (holding->connected) {
		redis_queue_session(tx, holding->name, &holding->session);
		if (!was_ours)
			redis_queue_session_event(
			    tx, holding->name, &holding->session, true);
		return;
	}
	if (op->has_session)
		redis_tx_queuef(tx, "DEL taupe:session:%s", holding->name);
	if (was_ours) {
		if (tx->registry->view.agents > 0)
			tx->registry->view.agents--;
		redis_queue_session_event(
		    tx, holding->name, &holding->session, false);
	}
}

static void
undo_hold(struct redis_tx *tx)
{
	if (!hold_of(tx)->holding.connected && session_is_ours(hold_of(tx)))
		tx->registry->view.agents++;
}

/* The claim has written session and lease, and nobody has touched them since. */
static bool
stands_as_claimed(const struct redis_hold *op)
{
	return op->holding.claimed && session_is_ours(op) &&
	    op->standing.epoch == op->holding.session.epoch;
}

static void
write_hold(struct redis_tx *tx)
{
	struct redis_hold *op = hold_of(tx);
	const struct redis_holding *holding = &op->holding;
	uint64_t ttl_ms =
	    holding->connected ? tx->registry->lease_ms : holding->remaining_ms;

	op->outcome = REGISTRY_OK;
	if (!stands_as_claimed(op)) {
		queue_session(op);
		redis_queue_lease(tx, holding->name, &op->standing,
		    &holding->lease, &holding->session,
		    ttl_ms > 0 ? ttl_ms : 1);
	}
	queue_routes(op);
}

static void
decide_hold(struct redis_tx *tx)
{
	struct redis_hold *op = hold_of(tx);

	if (is_stale(op))
		end_with(op, REGISTRY_STALE);
	else if (op->granted_elsewhere)
		end_with(op, REGISTRY_EXHAUSTED);
	else
		redis_tx_write(tx, write_hold);
}

static void
look_at_heirs(struct redis_tx *tx)
{
	struct redis_hold *op = hold_of(tx);

	for (size_t i = 0; i < op->owned.n; i++)
		op->owned.routes[i].leaves =
		    !has_route(op, op->owned.routes[i].key);
	if (redis_owned_ask(tx, &op->owned, read_heirs))
		redis_tx_then(tx, decide_hold);
	else
		decide_hold(tx);
}

static void
send_owners(struct redis_tx *tx, const char *verb, struct redis_args *args)
{
	const struct lease *lease = &hold_of(tx)->holding.lease;

	redis_args_add(args, verb);
	redis_args_addf(args, "taupe:label:%s", lease->label);
	for (size_t i = 0; i < lease->n_ports; i++)
		redis_args_addf(
		    args, "taupe:port:%u", (unsigned)lease->ports[i].port);
}

/* The further names of what we hold: whose are they? What is reserved is one hash, which every new
 * device changes: who reserves a name touches host:HOST as well, and that is watched. Returns whether
 * there are any. */
static bool
watch_further_names(const struct redis_hold *op, struct redis_args *watch)
{
	bool any = false;

	for (size_t i = 0; i < op->holding.n_routes; i++)
		if (op->route_list[i].is_further) {
			redis_args_addf(watch, "taupe:host:%s",
			    host_of(&op->route_list[i]));
			any = true;
		}
	return any;
}

static void
ask_further_names(struct redis_hold *op)
{
	struct redis_args get = REDIS_ARGS_NONE, reserved = REDIS_ARGS_NONE;

	redis_args_add(&get, "MGET");
	redis_args_add(&reserved, "HMGET");
	redis_args_add(&reserved, "taupe:reserved");
	for (size_t i = 0; i < op->holding.n_routes; i++)
		if (op->route_list[i].is_further) {
			const char *host = host_of(&op->route_list[i]);

			redis_args_addf(&get, "taupe:host:%s", host);
			redis_args_addf(&reserved, "host/%s", host);
		}
	redis_tx_read(&op->tx, read_marks, &get);
	redis_tx_read(&op->tx, read_reserved, &reserved);
}

static void
watch_device(struct redis_args *watch, const char *name)
{
	redis_args_addf(watch, "taupe:session:%s", name);
	redis_args_addf(watch, "taupe:lease:%s", name);
	redis_args_addf(watch, "taupe:owned:device:%s", name);
}

static void
begin_hold(struct redis_tx *tx)
{
	struct redis_hold *op = hold_of(tx);
	const char *name = op->holding.name;
	struct redis_args watch = REDIS_ARGS_NONE, get = REDIS_ARGS_NONE,
			  routes = REDIS_ARGS_NONE;
	bool any_further;

	send_owners(tx, "WATCH", &watch);
	watch_device(&watch, name);
	any_further = watch_further_names(op, &watch);
	redis_tx_watch(tx, &watch);
	redis_tx_readf(tx, read_session, "GET taupe:session:%s", name);
	redis_tx_readf(tx, read_lease, "HGETALL taupe:lease:%s", name);
	send_owners(tx, "MGET", &get);
	redis_tx_read(tx, read_owners, &get);
	redis_tx_readf(tx, read_owned, "SMEMBERS taupe:owned:device:%s", name);
	if (op->holding.n_routes > 0) {
		redis_args_add(&routes, "HMGET");
		redis_args_add(&routes, "taupe:routes");
		for (size_t i = 0; i < op->holding.n_routes; i++)
			redis_args_add(&routes, op->route_list[i].key);
		redis_tx_read(tx, read_routes, &routes);
	}
	if (any_further)
		ask_further_names(op);
	redis_tx_then(tx, look_at_heirs);
}

static void
free_hold(struct redis_hold *op)
{
	free(op->route_list);
	free(op->held);
	redis_owned_fini(&op->owned);
	free(op);
}

static void
finish_hold(struct redis_tx *tx, enum registry_status status, bool quiet)
{
	struct redis_hold *op = hold_of(tx);

	op->answer->status = status == REGISTRY_OK ? op->outcome : status;
	if (quiet)
		registry_answer_free(op->answer);
	else
		registry_answers_post(&tx->registry->answers, op->answer);
	free_hold(op);
}

static const struct redis_tx_ops hold_ops = {
    .name = "hold",
    .begin = begin_hold,
    .finish = finish_hold,
    .undo = undo_hold,
};

static struct redis_hold *
hold_new(registry_done_cb cb, void *ctx, size_t n_routes)
{
	struct redis_hold *op = calloc(1, sizeof(*op));

	if (op == NULL)
		return NULL;
	op->answer = registry_answer_new(ANSWER_DONE, ctx);
	op->route_list = calloc(n_routes + 1, sizeof(*op->route_list));
	op->held = calloc(n_routes + 1, sizeof(*op->held));
	if (op->answer == NULL || op->route_list == NULL || op->held == NULL) {
		registry_answer_free(op->answer);
		free_hold(op);
		return NULL;
	}
	op->answer->done_cb = cb;
	return op;
}

int
redis_hold_start(struct registry *registry, const struct holding *holding,
    registry_done_cb cb, void *ctx)
{
	struct redis_hold *op = hold_new(cb, ctx, holding->n_routes);

	if (op == NULL)
		return -1;
	memcpy(op->holding.name, holding->name, sizeof(op->holding.name));
	grant_session(holding->grant, redis_registry_of(registry)->id,
	    &op->holding.session);
	grant_lease(holding->grant, &op->holding.lease);
	op->holding.connected = holding->connected;
	op->holding.claimed = holding->claimed;
	op->holding.remaining_ms = holding->remaining_ms;
	op->holding.n_routes = holding->n_routes;
	for (size_t i = 0; i < holding->n_routes; i++)
		op->route_list[i] = holding->routes[i];
	redis_tx_start(
	    redis_registry_of(registry), &op->tx, &hold_ops, op->holding.name);
	return 0;
}

/* The end of a lease: the holding is a name and an epoch. */

static void
write_expire(struct redis_tx *tx)
{
	struct redis_hold *op = hold_of(tx);
	const char *name = op->holding.name;

	op->outcome = REGISTRY_OK;
	queue_session(op);
	redis_tx_queuef(
	    tx, "DEL taupe:lease:%s taupe:owned:device:%s", name, name);
	redis_tx_queuef(tx, "ZREM taupe:leases %s", name);
	if (op->standing.exists) {
		redis_queue_rest(tx, op->standing.lease.label);
		for (size_t i = 0; i < op->standing.lease.n_ports; i++)
			redis_tx_queuef(tx, "DEL taupe:port:%u",
			    (unsigned)op->standing.lease.ports[i].port);
	}
	redis_owned_queue(tx, &op->owned);
}

static void
decide_expire(struct redis_tx *tx)
{
	if (is_stale(hold_of(tx)))
		end_with(hold_of(tx), REGISTRY_STALE);
	else
		redis_tx_write(tx, write_expire);
}

static void
look_at_expired(struct redis_tx *tx)
{
	struct redis_hold *op = hold_of(tx);

	for (size_t i = 0; i < op->owned.n; i++)
		op->owned.routes[i].leaves = true;
	if (redis_owned_ask(tx, &op->owned, read_heirs))
		redis_tx_then(tx, decide_expire);
	else
		decide_expire(tx);
}

static void
begin_expire(struct redis_tx *tx)
{
	const char *name = hold_of(tx)->holding.name;
	struct redis_args watch = REDIS_ARGS_NONE;

	redis_args_add(&watch, "WATCH");
	watch_device(&watch, name);
	redis_tx_watch(tx, &watch);
	redis_tx_readf(tx, read_session, "GET taupe:session:%s", name);
	redis_tx_readf(tx, read_lease, "HGETALL taupe:lease:%s", name);
	redis_tx_readf(tx, read_owned, "SMEMBERS taupe:owned:device:%s", name);
	redis_tx_then(tx, look_at_expired);
}

static const struct redis_tx_ops expire_ops = {
    .name = "expire",
    .begin = begin_expire,
    .finish = finish_hold,
    .undo = undo_hold,
};

int
redis_expire_start(struct registry *registry, const char *name, uint64_t epoch,
    registry_done_cb cb, void *ctx)
{
	struct redis_hold *op = hold_new(cb, ctx, 0);

	if (op == NULL)
		return -1;
	str_copy(str_of(name), op->holding.name, sizeof(op->holding.name));
	op->holding.session.epoch = epoch;
	memcpy(op->holding.session.relay, redis_registry_of(registry)->id,
	    RELAY_ID_MAX + 1);
	redis_tx_start(redis_registry_of(registry), &op->tx, &expire_ops,
	    op->holding.name);
	return 0;
}
