/* SPDX-License-Identifier: MIT */
/*
 * The registry of a stand-alone relay: leases, labels and ports in memory, devices in a
 * file. It is gone with the process; what devices get back after that, they get by their
 * signed leases. Routes are not kept: the only reader, the relay's own front, has the
 * relay's devices at hand.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "net/crypto.h"
#include "registry/claim_plan.h"
#include "registry/port_set.h"
#include "registry/registry_memory_edits.h"
#include "registry/registry_memory_history.h"
#include "registry/registry_memory_leases.h"
#include "registry/registry_memory_traffic.h"

struct memory {
	struct registry registry;
	char id[RELAY_ID_MAX + 1];
	uint64_t lease_ms;
	struct port_set public_ports;
	bool open_mode;
	struct registry_answers answers;
	struct memory_devices *devices;
	struct memory_edits edits; /* of them */
	struct memory_leases leases;
	struct relay_info self; /* as it was announced last */
	bool announced;
	struct memory_history history;
	struct memory_traffic traffic;
};

static struct memory *
memory_of(const struct registry *registry)
{
	return (struct memory *)(void *)(uintptr_t)registry;
}

/* Events. */

static void
tell_named(struct memory *memory, enum registry_event_type type,
    const char *name, uint64_t epoch)
{
	struct registry_event event = {.type = type, .epoch = epoch};

	str_copy(str_of(name), event.name, sizeof(event.name));
	str_copy(str_of(memory->id), event.relay, sizeof(event.relay));
	registry_answer_event(&memory->answers, &event);
}

static void
device_changed_cb(void *ctx, const char *name)
{
	tell_named(ctx, REGISTRY_DEVICE, name, 0);
}

static void
refresh_devices(struct memory *memory)
{
	memory_devices_refresh(memory->devices, device_changed_cb, memory);
}

/* Choosing. */

static struct plan_fact
label_fact(const struct memory *memory, const char *name, const char *text)
{
	const struct memory_lease *lease =
	    memory_lease_of_label(&memory->leases, text);
	const struct device_record *owner =
	    memory_devices_of_label(memory->devices, text);

	return (struct plan_fact){
	    .taken = lease != NULL,
	    .mine = lease != NULL && strcmp(lease->name, name) == 0,
	    .resting = lease != NULL && !lease->standing,
	    .reserved_for_other =
		owner != NULL && strcmp(owner->name, name) != 0,
	};
}

static struct plan_fact
port_fact(const struct memory *memory, const char *name, uint16_t port)
{
	const struct memory_lease *lease = memory->leases.of_port[port];
	const struct device_record *owner =
	    memory_devices_of_port(memory->devices, port);

	return (struct plan_fact){
	    .taken = lease != NULL,
	    .mine = lease != NULL && strcmp(lease->name, name) == 0,
	    .reserved_for_other =
		owner != NULL && strcmp(owner->name, name) != 0,
	};
}

static bool
choose_label(const struct memory *memory, const char *name,
    const struct claim_plan *plan, struct claim_result *result)
{
	for (size_t i = 0; i < plan->n_labels; i++) {
		struct plan_fact fact =
		    label_fact(memory, name, plan->labels[i].label);

		if (!claim_plan_acceptable(plan->labels[i].source, &fact))
			continue;
		memcpy(
		    result->lease.label, plan->labels[i].label, LABEL_MAX + 1);
		result->new_label = plan->labels[i].source == PLAN_DRAWN;
		return true;
	}
	return false;
}

static bool
lease_has_port(const struct lease *lease, uint16_t port)
{
	for (size_t i = 0; i < lease->n_ports; i++)
		if (lease->ports[i].port == port)
			return true;
	return false;
}

/* Any free port, from a random place on; 0 when there is none. */
static uint16_t
draw_port(
    const struct memory *memory, const char *name, const struct lease *chosen)
{
	uint16_t port = claim_plan_any_port(&memory->public_ports);

	for (uint32_t i = 0; i < memory->public_ports.count; i++, port++) {
		struct plan_fact fact;

		port = port_set_next(&memory->public_ports, port);
		fact = port_fact(memory, name, port);
		if (claim_plan_acceptable(PLAN_DRAWN, &fact) &&
		    !lease_has_port(chosen, port))
			return port;
	}
	return 0;
}

static uint16_t
choose_port(const struct memory *memory, const char *name,
    const struct plan_service *service, const struct lease *chosen)
{
	for (size_t i = 0; i < service->n_ports; i++) {
		uint16_t port = service->ports[i].port;
		struct plan_fact fact = port_fact(memory, name, port);

		if (claim_plan_acceptable(service->ports[i].source, &fact) &&
		    !lease_has_port(chosen, port))
			return port;
		if (service->ports[i].source == PLAN_RESERVED)
			return 0;
	}
	return draw_port(memory, name, chosen);
}

static bool
choose_ports(const struct memory *memory, const char *name,
    const struct claim_plan *plan, struct lease *lease)
{
	for (size_t i = 0; i < plan->n_services; i++) {
		const struct plan_service *service = &plan->services[i];
		struct service_port *slot = &lease->ports[lease->n_ports];

		slot->port = choose_port(memory, name, service, lease);
		if (slot->port == 0)
			return false;
		memcpy(slot->service, service->name, sizeof(slot->service));
		lease->n_ports++;
	}
	return true;
}

/* Operations. */

static int
memory_device_get(struct registry *registry, const char *name,
    registry_device_cb cb, void *ctx)
{
	struct memory *memory = memory_of(registry);
	const struct device_record *record;
	struct device_record any = {0};

	refresh_devices(memory);
	record = memory_devices_find(memory->devices, name);
	if (record == NULL && memory->open_mode) {
		str_copy(str_of(name), any.name, sizeof(any.name));
		record = &any;
	}
	return registry_answer_device(&memory->answers, cb, ctx,
	    record ? REGISTRY_OK : REGISTRY_NOT_FOUND, record);
}

static int
memory_enrol(struct registry *registry, const struct enrolment *enrolment,
    registry_enrol_cb cb, void *ctx)
{
	return memory_edits_enrol(
	    &memory_of(registry)->edits, enrolment, cb, ctx);
}

static int
memory_rotate(struct registry *registry, const struct rotation *rotation,
    registry_done_cb cb, void *ctx)
{
	return memory_edits_rotate(
	    &memory_of(registry)->edits, rotation, cb, ctx);
}

static bool
is_held(const struct memory_lease *lease, const struct claim *claim)
{
	return lease != NULL && lease->connected &&
	    strcmp(grant_instance(lease->grant), claim->instance) != 0 &&
	    lease->grant->epoch != claim->over_epoch;
}

static void
fill_session(struct memory *memory, const struct claim *claim,
    const struct memory_lease *lease, struct session_info *session)
{
	uint64_t last = memory->leases.last_epoch;

	if (lease != NULL && lease->grant->epoch > last)
		last = lease->grant->epoch;
	*session = (struct session_info){
	    .epoch = claim_next_epoch(claim, last), .since_ms = loop_wall_ms()};
	memcpy(session->relay, memory->id, sizeof(session->relay));
	memcpy(session->instance, claim->instance, sizeof(session->instance));
	memcpy(session->from, claim->from, sizeof(session->from));
}

static int
write_claimed(
    struct memory *memory, const char *name, const struct claim_result *result)
{
	struct grant *grant = grant_new(&result->lease, &result->session);
	int written;

	if (grant == NULL)
		return -1;
	written = memory_lease_write(
	    &memory->leases, name, grant, true, memory->lease_ms);
	grant_drop(&grant);
	return written;
}

static int
memory_claim(struct registry *registry, const struct claim *claim,
    registry_claim_cb cb, void *ctx)
{
	struct memory *memory = memory_of(registry);
	struct claim_result result = {.status = REGISTRY_OK};
	struct memory_lease *lease;
	struct lease standing;
	struct claim_plan plan;

	refresh_devices(memory);
	lease = memory_lease_find(&memory->leases, claim->name);
	if (lease != NULL)
		grant_lease(lease->grant, &standing);
	claim_plan_make(
	    &plan, claim, lease ? &standing : NULL, &memory->public_ports);
	if (is_held(lease, claim)) {
		result.status = REGISTRY_HELD;
		grant_session(lease->grant, memory->id, &result.session);
	} else if (!choose_label(memory, claim->name, &plan, &result) ||
	    !choose_ports(memory, claim->name, &plan, &result.lease)) {
		result.status = REGISTRY_EXHAUSTED;
	} else {
		fill_session(memory, claim, lease, &result.session);
		result.lease.epoch = result.session.epoch;
		result.new_lease = lease == NULL || !lease->standing ||
		    !lease_covers(&standing, &result.lease);
		if (write_claimed(memory, claim->name, &result) != 0)
			return -1;
	}
	return registry_answer_claim(&memory->answers, cb, ctx, &result);
}

/* Is anything of a holding leased to another device? */
static bool
is_lost(const struct memory *memory, const struct holding *holding)
{
	struct plan_fact fact;
	struct lease lease;

	grant_lease(holding->grant, &lease);
	fact = label_fact(memory, holding->name, lease.label);
	if (fact.taken && !fact.mine)
		return true;
	for (size_t i = 0; i < lease.n_ports; i++) {
		fact = port_fact(memory, holding->name, lease.ports[i].port);
		if (fact.taken && !fact.mine)
			return true;
	}
	return false;
}

static int
memory_hold(struct registry *registry, const struct holding *holding,
    registry_done_cb cb, void *ctx)
{
	struct memory *memory = memory_of(registry);
	struct memory_lease *lease =
	    memory_lease_find(&memory->leases, holding->name);

	if (lease != NULL && lease->grant->epoch > holding->grant->epoch)
		return registry_answer_done(
		    &memory->answers, cb, ctx, REGISTRY_STALE);
	if (is_lost(memory, holding))
		return registry_answer_done(
		    &memory->answers, cb, ctx, REGISTRY_EXHAUSTED);
	if (memory_lease_write(&memory->leases, holding->name, holding->grant,
		holding->connected,
		holding->connected ? memory->lease_ms
				   : holding->remaining_ms) != 0)
		return -1;
	return registry_answer_done(&memory->answers, cb, ctx, REGISTRY_OK);
}

static int
memory_expire(struct registry *registry, const char *name, uint64_t epoch,
    registry_done_cb cb, void *ctx)
{
	struct memory *memory = memory_of(registry);
	struct memory_lease *lease = memory_lease_find(&memory->leases, name);
	enum registry_status status = REGISTRY_OK;

	if (lease != NULL && lease->grant->epoch > epoch)
		status = REGISTRY_STALE;
	else if (lease != NULL)
		memory_lease_end(lease);
	return registry_answer_done(&memory->answers, cb, ctx, status);
}

/* There is one relay: who asks and who answers are the same. */
static void
memory_probe(struct registry *registry, const char *name, uint64_t epoch,
    const char *relay)
{
	(void)relay;
	tell_named(memory_of(registry), REGISTRY_PROBE, name, epoch);
}

static void
memory_alive(struct registry *registry, const char *name, uint64_t epoch)
{
	tell_named(memory_of(registry), REGISTRY_ALIVE, name, epoch);
}

static void
memory_announce(struct registry *registry, const struct relay_info *self,
    const struct route *relay_route, const char *const *counter_names,
    const uint64_t *counter_values, size_t n_counters)
{
	struct memory *memory = memory_of(registry);
	struct registry_event event = {.type = REGISTRY_RELAYS};

	(void)relay_route;
	(void)counter_names;
	(void)counter_values;
	(void)n_counters;
	memory->self = *self;
	memory->announced = true;
	refresh_devices(
	    memory); /* a device that was removed is cut within a second */
	registry_answer_event(&memory->answers, &event);
}

static void
memory_depart(struct registry *registry, registry_done_cb cb, void *ctx)
{
	struct memory *memory = memory_of(registry);

	memory->announced = false;
	if (registry_answer_done(&memory->answers, cb, ctx, REGISTRY_OK) != 0)
		log_error("out of memory",
		    LOG_S("what", "saying goodbye to the registry"));
}

/* Nobody could read the sums who does not see the relay's own counters. */
static bool
memory_count(struct registry *registry, const char *name, uint32_t day,
    struct device_counters *delta, registry_count_cb cb, void *ctx)
{
	(void)day;
	(void)cb;
	(void)ctx;
	memory_traffic_add(&memory_of(registry)->traffic, name,
	    loop_wall_ms() / TRAFFIC_MINUTE_MS, delta->bytes_in,
	    delta->bytes_out);
	*delta = (struct device_counters){0};
	return false;
}

static void
memory_traffic(const struct registry *registry, const char *name,
    uint64_t minute, struct traffic_minute out[TRAFFIC_MINUTES])
{
	memory_traffic_read(&memory_of(registry)->traffic, name, minute, out);
}

static bool
memory_happened(struct registry *registry, struct happening *event)
{
	memory_history_add(&memory_of(registry)->history, event);
	return true;
}

/* What is in memory is where it shall be. */
static size_t
memory_untold(const struct registry *registry)
{
	(void)registry;
	return 0;
}

static bool
memory_recall(struct registry *registry, const char *after,
    char end[HISTORY_PLACE_MAX], registry_recall_cb cb, void *ctx)
{
	return memory_history_recall(
	    &memory_of(registry)->history, after, end, cb, ctx);
}

static size_t
memory_relays(struct registry *registry, const struct relay_info **out)
{
	const struct memory *memory = memory_of(registry);

	*out = &memory->self;
	return memory->announced ? 1 : 0;
}

static const char *
memory_trouble(const struct registry *registry)
{
	(void)registry;
	return NULL;
}

static bool
memory_is_up(const struct registry *registry)
{
	(void)registry;
	return true;
}

static long
memory_device_count(struct registry *registry)
{
	return (long)memory_devices_count(memory_of(registry)->devices);
}

/* Nobody else could have it. */
static int
memory_route_get(
    struct registry *registry, const char *key, registry_route_cb cb, void *ctx)
{
	struct registry_answer *answer = registry_answer_new(ANSWER_ROUTE, ctx);

	(void)key;
	if (answer == NULL)
		return -1;
	answer->route_cb = cb;
	answer->status = REGISTRY_NOT_FOUND;
	registry_answers_post(&memory_of(registry)->answers, answer);
	return 0;
}

static int
memory_session_get(struct registry *registry, const char *name,
    registry_session_cb cb, void *ctx)
{
	struct registry_answer *answer =
	    registry_answer_new(ANSWER_SESSION, ctx);

	(void)name;
	if (answer == NULL)
		return -1;
	answer->session_cb = cb;
	answer->status = REGISTRY_NOT_FOUND;
	registry_answers_post(&memory_of(registry)->answers, answer);
	return 0;
}

/* Life. */

static void
memory_free(struct registry *registry)
{
	struct memory *memory = memory_of(registry);

	memory_edits_fini(&memory->edits);
	registry_answers_fini(&memory->answers);
	memory_leases_fini(&memory->leases);
	memory_devices_free(&memory->devices);
	memory_history_fini(&memory->history);
	memory_traffic_fini(&memory->traffic);
	free(memory);
}

static const struct registry_ops memory_ops = {
    .free = memory_free,
    .device_get = memory_device_get,
    .enrol = memory_enrol,
    .rotate = memory_rotate,
    .claim = memory_claim,
    .hold = memory_hold,
    .expire = memory_expire,
    .route_get = memory_route_get,
    .session_get = memory_session_get,
    .probe = memory_probe,
    .alive = memory_alive,
    .announce = memory_announce,
    .depart = memory_depart,
    .count = memory_count,
    .happened = memory_happened,
    .untold = memory_untold,
    .recall = memory_recall,
    .traffic = memory_traffic,
    .relays = memory_relays,
    .is_up = memory_is_up,
    .trouble = memory_trouble,
    .device_count = memory_device_count,
};

struct registry *
registry_memory_new(struct loop *loop, const struct registry_settings *settings,
    const char *devices_file, registry_event_cb cb, void *ctx)
{
	struct registry_event up = {.type = REGISTRY_UP};
	struct memory *memory = calloc(1, sizeof(*memory));

	if (memory == NULL)
		return NULL;
	memory->registry = (struct registry){&memory_ops, cb, ctx};
	memory->lease_ms = settings->lease_ms;
	memory->public_ports = *settings->public_ports;
	memory->open_mode = settings->open_mode;
	if (!str_copy(
		str_of(settings->relay_id), memory->id, sizeof(memory->id)))
		assert(!"the id was checked by who gives it");
	memory->devices = memory_devices_new(devices_file);
	if (memory->devices == NULL) {
		free(memory);
		return NULL;
	}
	memory_history_init(&memory->history);
	memory_traffic_init(&memory->traffic);
	registry_answers_init(&memory->answers, loop, &memory->registry);
	memory_edits_init(&memory->edits, loop, &memory->answers,
	    memory->devices, device_changed_cb, memory);
	memory_leases_init(&memory->leases, loop, &memory->answers, memory->id,
	    settings->quarantine_ms);
	registry_answer_event(&memory->answers, &up);
	return &memory->registry;
}
