/* SPDX-License-Identifier: MIT */
/*
 * The life of a device here: attached when a claim is granted, online when its session
 * stands, offline while only the lease does, released when the lease is over or another
 * relay has it, and freed when its last running visit has ended.
 */
#include "config.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "net/crypto.h"
#include "relay/access.h"
#include "relay/backlog.h"
#include "relay/connect.h"
#include "relay/counting.h"
#include "relay/device.h"
#include "relay/dig.h"
#include "relay/events.h"
#include "relay/handover.h"
#include "relay/hosts.h"
#include "relay/limits.h"
#include "relay/quota.h"
#include "relay/ride.h"
#include "relay/service.h"
#include "relay/rotation.h"
#include "relay/session.h"
#include "relay/shared.h"
#include "relay/transfer.h"
#include "relay/visitor.h"
#include "relay/warm.h"

#define MOVED_GRACE_MS                                                         \
	2000 /* until the routes of a moved device have reached the proxies */
#define END_POLL_MS 1000
#define HOLD_SOON_MS 2000
#define HOLD_SOON_JITTER_MS                                                    \
	8000 /* a crowd that came at once need not write at once */

/* A write to the registry that is under way. */
struct holding_write {
	LIST_ENTRY(holding_write) link; /* in relay->writes */
	struct relay *relay;
	uint64_t epoch;
	registry_done_cb cb;
	void *ctx;
	char name[DEVICE_NAME_MAX + 1];
};

static void timer_cb(void *ctx);

static struct str
key_cb(const struct hash_node *node)
{
	return str_of(HASH_ENTRY(node, const struct device, by_name)->name);
}

void
devices_init(struct relay *relay)
{
	hash_map_init(&relay->devices, key_cb);
}

struct device *
device_find(struct relay *relay, struct str name)
{
	struct hash_node *node = hash_map_find(&relay->devices, name);

	return node != NULL ? HASH_ENTRY(node, struct device, by_name) : NULL;
}

static struct device *
device_new(struct relay *relay, const char *name)
{
	size_t size = strlen(name) + 1;
	struct device *device = calloc(1, offsetof(struct device, name) + size);

	if (device == NULL)
		return NULL;
	device->relay = relay;
	memcpy(device->name, name, size);
	LIST_INIT(&device->services);
	LIST_INIT(&device->digs);
	TAILQ_INIT(&device->waiting);
	TAILQ_INIT(&device->idle);
	TAILQ_INIT(&device->running);
	LIST_INIT(&device->shareds);
	timer_init(&device->timer, timer_cb, device);
	if (hash_map_insert(&relay->devices, &device->by_name) != 0) {
		free(device);
		return NULL;
	}
	return device;
}

/* Take it out of the tables: nobody finds it or its services any more. */
static void
release(struct device *device)
{
	if (device->released)
		return;
	device->released = true;
	services_close(device);
	hosts_forget(device);
	digs_forget(device);
	backlog_remove(device);
	hash_map_remove(&device->relay->devices, &device->by_name);
	LIST_INSERT_HEAD(&device->relay->released, device, released_link);
}

void
device_serve(struct device *device)
{
	while (device->n_waiting > 0 &&
	    (shared_serve(device) || transfer_take_idle(device)))
		;
}

void
device_close_channels(struct device *device, bool running_too)
{
	transfers_close(device, running_too);
	shareds_close(device, running_too);
}

static void
device_free(struct device *device)
{
	assert(device->pins == 0 && device->session == NULL);
	release(device);
	device_close_channels(device, true);
	device_limits_free(device);
	timer_clear(device->relay->loop, &device->timer);
	counting_leave(device);
	quota_leave(device);
	backlog_remove(device);
	LIST_REMOVE(device, released_link);
	grant_drop(&device->grant);
	access_drop(&device->access);
	free(device);
}

void
device_retime(struct device *device)
{
	struct loop *loop = device->relay->loop;
	uint64_t now = loop_now_ms(loop), due = device->due_ms;

	if (device->session != NULL &&
	    (due == 0 || session_due_ms(device->session) < due))
		due = session_due_ms(device->session);
	if (due != 0)
		timer_set(loop, &device->timer, due > now ? due - now : 0);
	else
		timer_clear(loop, &device->timer);
}

static void
be_due_in(struct device *device, uint64_t delay_ms)
{
	device->due_ms = loop_now_ms(device->relay->loop) + delay_ms;
	device_retime(device);
}

/* Free what was released as soon as nothing uses it. */
static void
end_or_wait(struct device *device)
{
	if (device->pins == 0 && device->session == NULL &&
	    TAILQ_EMPTY(&device->running) && device->n_visitors == 0)
		device_free(device);
	else
		be_due_in(device, END_POLL_MS);
}

struct device *
device_attach(struct relay *relay, const struct claim *claim,
    const struct claim_result *granted, const char **error)
{
	struct device *device = device_find(relay, str_of(claim->name));
	struct grant *grant = grant_new(&granted->lease, &granted->session);
	bool fresh = device == NULL;

	*error = "the relay is out of memory";
	if (grant == NULL)
		return NULL;
	if (fresh && (device = device_new(relay, claim->name)) == NULL)
		goto fail;
	/* unknown while the registry is away: it keeps what it has */
	if (device_limits_set(device,
		claim->device.name[0] != '\0' ? claim->device.limits : NULL) !=
	    0)
		goto fail;
	if (claim->device.name[0] != '\0') {
		bool changed;

		if (hosts_set(device, claim->device.hosts, &changed) != 0)
			goto fail;
		if (device_access_set(device, claim->device.access))
			connects_recheck(device);
	}
	if (services_reconcile(device, claim, &granted->lease, error) != 0)
		goto fail;
	/* another process of the agent: the old one's channels are nobody's now */
	if (!fresh &&
	    strcmp(grant_instance(device->grant), granted->session.instance) !=
		0)
		device_close_channels(device, false);
	/* the session that there is goes on as it was, until another one stands */
	if (device->session != NULL)
		grant_take_said(grant, device->grant);
	grant_drop(&device->grant);
	device->grant = grant;
	memcpy(device->secret_sha256, claim->device.secret_sha256,
	    SECRET_HASH_LEN);
	device->moved = device->unverified = false;
	if (device->unread)
		backlog_add(device); /* which takes none that is moved */
	device->pins++;
	device->due_ms = 0;
	device_retime(device);
	return device;
fail:
	grant_drop(&grant);
	if (fresh && device != NULL)
		device_free(device);
	return NULL;
}

/* At half of the lease's life, or earlier: a fleet that came at once should not renew at
 * once for ever after. */
static void
renew_later(struct device *device)
{
	uint64_t quarter_ms = (uint64_t)device->relay->options.lease_ms / 4;
	uint32_t jitter_ms =
	    quarter_ms < UINT32_MAX ? (uint32_t)quarter_ms + 1 : UINT32_MAX;

	be_due_in(device, quarter_ms + crypto_below(jitter_ms));
}

void
device_unpin(struct device *device)
{
	assert(device->pins > 0);
	device->pins--;
	if (device->pins > 0 || device->due_ms != 0)
		return;
	if (device->session != NULL)
		renew_later(device); /* the older one, which goes on */
	else
		device_offline(device);
}

static void
act_on_answer(struct device *device, enum registry_status status)
{
	switch (status) {
	case REGISTRY_STALE: /* fenced off: a newer session of the device is elsewhere */
		device_moved(device);
		break;
	case REGISTRY_UNAVAILABLE:
		backlog_add(device);
		break;
	case REGISTRY_EXHAUSTED:
		log_error(
		    "a lost registry has given the device's label or port away",
		    LOG_S("device", device->name),
		    LOG_S("label", grant_label(device->grant)));
		device_moved(device);
		if (device->session != NULL)
			session_close(device->session, CLOSE_REGISTRY);
		break;
	default:
		break;
	}
}

static void
held_cb(void *ctx, enum registry_status status)
{
	struct holding_write *write = ctx;
	struct device *device = device_find(write->relay, str_of(write->name));
	struct holding_write done = *write;

	LIST_REMOVE(write, link);
	free(write);
	if (device != NULL && device->grant->epoch == done.epoch)
		act_on_answer(device, status);
	if (done.cb != NULL)
		done.cb(done.ctx, status);
}

static void
fill_holding(struct device *device, struct holding *holding,
    const struct route *routes, size_t n_routes)
{
	uint64_t now = loop_now_ms(device->relay->loop);

	memset(holding, 0, sizeof(*holding));
	(void)str_copy(
	    str_of(device->name), holding->name, sizeof(holding->name));
	holding->grant = device->grant;
	holding->connected = device->session != NULL || device->pins > 0;
	holding->claimed = device->pins > 0;
	holding->remaining_ms = device->due_ms > now ? device->due_ms - now : 1;
	holding->routes = routes;
	holding->n_routes = n_routes;
}

void
device_hold(struct device *device, registry_done_cb cb, void *ctx)
{
	struct relay *relay = device->relay;
	struct holding_write *write = calloc(1, sizeof(*write));
	struct route *routes = NULL;
	struct holding holding;
	size_t n_routes;

	if (write == NULL || device->unverified ||
	    device_routes(device, loop_wall_ms(), &routes, &n_routes) != 0) {
		free(write);
		backlog_add(device);
		if (cb != NULL)
			cb(ctx, REGISTRY_UNAVAILABLE);
		return;
	}
	write->relay = relay;
	write->epoch = device->grant->epoch;
	write->cb = cb;
	write->ctx = ctx;
	(void)str_copy(str_of(device->name), write->name, sizeof(write->name));
	LIST_INSERT_HEAD(&relay->writes, write, link);
	fill_holding(device, &holding, routes, n_routes);
	if (relay->registry->ops->hold(
		relay->registry, &holding, held_cb, write) != 0)
		held_cb(write, REGISTRY_UNAVAILABLE);
	free(routes);
}

void
device_hold_soon(struct device *device)
{
	uint64_t due_ms = loop_now_ms(device->relay->loop) + HOLD_SOON_MS +
	    crypto_below(HOLD_SOON_JITTER_MS);

	if (device->moved || device->released || device->hold != HOLD_REGULAR ||
	    (device->due_ms != 0 && device->due_ms <= due_ms))
		return;
	device->hold = HOLD_SOON;
	device->due_ms = due_ms;
	device_retime(device);
}

void
device_online(struct device *device, struct session *session,
    const struct channel_terms *terms)
{
	struct session *before = device->session;

	device->session = session;
	(void)grant_set_heartbeat(device->grant, 0, 0, 0);
	services_forget_health(device);
	warm_set_floor(device, terms->warm);
	device->mux_visits = terms->visits;
	device->mux_window = terms->window;
	device->rides = terms->ride;
	device->hold = HOLD_REGULAR;
	device->pins--;
	renew_later(device);
	session_welcome(session);
	if (before != NULL) {
		session_close(before, CLOSE_TAKEN_OVER);
		/* whoever comes back without a goodbye has lost with its link what was there,
		 * and what was asked for */
		device_close_channels(device, false);
		digs_forget(device);
	}
	if (device->rides && ride_begin(session) != 0) {
		session_close(session, CLOSE_OVERLOAD);
		return;
	}
	device->relay->counters.sessions_opened++;
	log_info("session opened", LOG_S("device", device->name),
	    LOG_U("epoch", device->grant->epoch),
	    LOG_S("label", grant_label(device->grant)),
	    LOG_S("from", grant_from(device->grant)));
	event_emit(device->relay, EVENT_CONNECT, device->name,
	    LOG_U("epoch", device->grant->epoch),
	    LOG_S("label", grant_label(device->grant)),
	    LOG_S("instance", grant_instance(device->grant)),
	    LOG_S("from", grant_from(device->grant)));
	device_serve(device);
	warm_tend(device);
}

void
device_offline(struct device *device)
{
	struct relay *relay = device->relay;
	struct visitor *visitor;

	digs_forget(device);
	if (device->released) {
		/* from the loop: whoever closed the session may still be using us */
		be_due_in(device, 0);
		return;
	}
	services_forget_health(device);
	TAILQ_FOREACH (visitor, &device->waiting, link)
		visitor_hold(visitor);
	if (device->moved) {
		/* the listeners stay as long as proxies may lead visitors here */
		device_retime(device);
		handovers_seek(device);
		return;
	}
	be_due_in(device, (uint64_t)relay->options.lease_ms);
	device_hold(device, NULL, NULL);
}

void
device_moved(struct device *device)
{
	if (device->moved || device->released)
		return;
	log_info("device is at another relay now",
	    LOG_S("device", device->name),
	    LOG_U("epoch", device->grant->epoch));
	device->moved = true;
	be_due_in(device, MOVED_GRACE_MS);
	if (device->session == NULL)
		handovers_seek(device);
}

static void
end_lease_now(struct device *device, const char *why)
{
	struct relay *relay = device->relay;

	(void)relay->registry->ops->expire(
	    relay->registry, device->name, device->grant->epoch, NULL, NULL);
	event_emit(relay, EVENT_LEASE, device->name, LOG_S("state", "ended"),
	    LOG_S("why", why), LOG_S("label", grant_label(device->grant)));
}

/* The operator has removed it, or given it another secret: everything of it ends. Its lease
 * ends, too, unless it may have been granted to the right one meanwhile. */
static void
revoke(struct device *device, bool end_lease)
{
	log_info("device was removed, or has another secret",
	    LOG_S("device", device->name));
	device->moved = true; /* its records are gone already */
	if (device->session != NULL)
		session_close(device->session, CLOSE_REVOKED);
	release(device);
	device_close_channels(device, true);
	if (end_lease)
		end_lease_now(device, "revoked");
	be_due_in(device, 0);
}

struct recheck {
	struct relay *relay;
	registry_done_cb cb;
	void *ctx;
	bool told; /* an event says that its record has changed */
	uint8_t
	    secret_sha256[SECRET_HASH_LEN]; /* its own, when that was asked */
	char name[DEVICE_NAME_MAX + 1];
};

/* Its record has to be read: as soon as the registry answers. */
static void
read_later(struct device *device, bool told)
{
	device->unread = true;
	if (told)
		device->told = true;
	backlog_add(device);
}

/* Is the device that we have the one that the registry knows? One that it does not know was removed, if
 * an event has told of it; else it may be among what is lost. In open mode any secret is right. */
static bool
is_in_order(const struct device *device, bool told, enum registry_status status,
    const struct device_record *record)
{
	if (device->relay->options.open)
		return true;
	if (status == REGISTRY_OK)
		return crypto_equal(record->secret_sha256,
			   device->secret_sha256, SECRET_HASH_LEN) ||
		    rotation_expects(device, record->secret_sha256);
	return !told && (!device->unverified || device->relay->registry_lost);
}

static void
take_limits(struct device *device, enum registry_status status,
    const struct device_record *record)
{
	if (status == REGISTRY_OK &&
	    device_limits_set(device, record->limits) != 0)
		log_error("a device keeps its old limits: out of memory",
		    LOG_S("device", device->name));
}

/* Sessions and running visits go on, but those that nobody would ask any more; who comes from now on
 * is asked by the new rules. True: its routes are others now. */
static bool
take_access(struct device *device, enum registry_status status,
    const struct device_record *record)
{
	if (status != REGISTRY_OK || !device_access_set(device, record->access))
		return false;
	visitors_recheck(device);
	connects_recheck(device);
	return true;
}

/* The same of its further names. Visits that have come by one that is gone go on. */
static bool
take_hosts(struct device *device, enum registry_status status,
    const struct device_record *record)
{
	bool changed = false;

	if (status == REGISTRY_OK &&
	    hosts_set(device, record->hosts, &changed) != 0)
		log_error("a device keeps its old names: out of memory",
		    LOG_S("device", device->name));
	return changed;
}

/* Nobody can tell whom the operator lets in: nobody comes, until a record that can be read is
 * written. Its session goes on. */
static void
close_unreadable(struct device *device, const struct recheck *recheck)
{
	if (device_access_forget(device))
		log_error("a device's record makes no sense: its services are "
			  "closed to visitors until it does",
		    LOG_S("device", device->name));
	device->unread = device->told = false;
	visitors_recheck(device);
	device_hold(device, recheck->cb, recheck->ctx);
}

/* Acts on what the registry says of it. */
static void
take_record(struct device *device, const struct recheck *recheck,
    enum registry_status status, const struct device_record *record)
{
	bool unverified = device->unverified;
	bool unwritten = unverified || device->unread;
	bool told = device->told || recheck->told;

	if (status == REGISTRY_UNAVAILABLE) {
		read_later(device, told);
	} else if (status == REGISTRY_UNREADABLE) {
		close_unreadable(device, recheck);
		return;
	} else if (!is_in_order(device, told, status, record)) {
		if (status == REGISTRY_NOT_FOUND)
			counting_end(device);
		revoke(device, !unverified || status == REGISTRY_NOT_FOUND);
	} else {
		take_limits(device, status, record);
		unwritten |= take_access(device, status, record);
		unwritten |= take_hosts(device, status, record);
		device->unverified = device->unread = device->told = false;
		if (unwritten)
			device_hold(device, recheck->cb, recheck->ctx);
		if (status == REGISTRY_OK)
			rotation_ask(device, record);
		if (unwritten)
			return;
	}
	if (recheck->cb != NULL)
		recheck->cb(recheck->ctx, status);
}

static int look_up(struct relay *relay, const char *name, bool told,
    registry_done_cb cb, void *ctx);

static void
rechecked_cb(
    void *ctx, enum registry_status status, const struct device_record *record)
{
	struct recheck *asked = ctx, recheck = *asked;
	struct device *device =
	    device_find(recheck.relay, str_of(recheck.name));

	free(asked);
	if (device != NULL &&
	    crypto_equal(
		recheck.secret_sha256, device->secret_sha256, SECRET_HASH_LEN))
		take_record(device, &recheck, status, record);
	/* answers about it may overtake each other */
	else if (look_up(recheck.relay, recheck.name, recheck.told, recheck.cb,
		     recheck.ctx) != 0 &&
	    recheck.cb != NULL)
		recheck.cb(recheck.ctx, REGISTRY_UNAVAILABLE);
}

static int
look_up(struct relay *relay, const char *name, bool told, registry_done_cb cb,
    void *ctx)
{
	struct device *device = device_find(relay, str_of(name));
	struct recheck *recheck;

	if (device == NULL) {
		if (cb != NULL)
			cb(ctx, REGISTRY_NOT_FOUND);
		return 0;
	}
	if ((recheck = calloc(1, sizeof(*recheck))) == NULL) {
		read_later(device, told);
		return -1;
	}
	recheck->relay = relay;
	recheck->told = told;
	recheck->cb = cb;
	recheck->ctx = ctx;
	memcpy(recheck->secret_sha256, device->secret_sha256, SECRET_HASH_LEN);
	(void)str_copy(str_of(name), recheck->name, sizeof(recheck->name));
	if (relay->registry->ops->device_get(
		relay->registry, name, rechecked_cb, recheck) == 0)
		return 0;
	free(recheck);
	read_later(device, told);
	return -1;
}

int
device_recheck(
    struct relay *relay, const char *name, registry_done_cb cb, void *ctx)
{
	return look_up(relay, name, false, cb, ctx);
}

int
device_changed(struct relay *relay, const char *name)
{
	return look_up(relay, name, true, NULL, NULL);
}

static void
doubt_cb(void *ctx, struct hash_node *node)
{
	(void)ctx;
	read_later(HASH_ENTRY(node, struct device, by_name), false);
}

void
devices_doubt(struct relay *relay)
{
	hash_map_each(&relay->devices, doubt_cb, NULL);
}

bool
device_kick(struct relay *relay, const char *name, uint64_t epoch)
{
	struct device *device = device_find(relay, str_of(name));

	if (device == NULL || device->session == NULL ||
	    (epoch != 0 && device->grant->epoch != epoch))
		return false;
	session_close(device->session, CLOSE_KICKED);
	return true;
}

static void
expire(struct device *device)
{
	log_info("lease expired", LOG_S("device", device->name),
	    LOG_S("label", grant_label(device->grant)));
	end_lease_now(device, "expired");
	release(device);
	end_or_wait(device);
}

static void
timer_cb(void *ctx)
{
	struct device *device = ctx;

	if (device->session != NULL && session_tend(device->session))
		return;
	if (device->due_ms == 0 ||
	    device->due_ms > loop_now_ms(device->relay->loop)) {
		device_retime(device); /* it was for the session */
	} else if (device->released) {
		end_or_wait(device);
	} else if (device->moved) {
		if (device->session != NULL)
			session_close(device->session, CLOSE_TAKEN_OVER);
		release(device);
		end_or_wait(device);
	} else if (device->session != NULL) {
		device->hold =
		    device->hold == HOLD_SOON ? HOLD_WAS_SOON : HOLD_REGULAR;
		device_hold(device, NULL, NULL);
		renew_later(device);
	} else if (device->relay->registry->ops->trouble(
		       device->relay->registry) != NULL) {
		/* its routes stay, and would lead to whoever got its ports */
		be_due_in(device, END_POLL_MS);
	} else {
		expire(device);
	}
}

static void
free_cb(void *ctx, struct hash_node *node)
{
	struct device *device = HASH_ENTRY(node, struct device, by_name);

	(void)ctx;
	device->pins = 0;
	device->moved = true;
	if (device->session != NULL)
		session_close(device->session, CLOSE_SHUTDOWN);
	device_free(device);
}

void
devices_free_all(struct relay *relay)
{
	struct holding_write *write;
	struct device *device;

	while ((write = LIST_FIRST(&relay->writes)) != NULL) {
		LIST_REMOVE(write, link);
		free(write);
	}
	hash_map_each(&relay->devices, free_cb, NULL);
	while ((device = LIST_FIRST(&relay->released)) != NULL)
		free_cb(NULL, &device->by_name);
	counting_free_all(relay);
	quotas_free_all(relay);
}

static void
renew_limits_cb(void *ctx, struct hash_node *node)
{
	(void)ctx;
	/* without memory for them, the next attach tries it again */
	(void)device_limits_set(HASH_ENTRY(node, struct device, by_name), NULL);
}

void
devices_renew_limits(struct relay *relay)
{
	hash_map_each(&relay->devices, renew_limits_cb, NULL);
}
