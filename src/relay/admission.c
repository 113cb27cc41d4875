/* SPDX-License-Identifier: MIT */
/*
 * A chain of steps, each started by the answer to the one before. The registry always
 * answers (UNAVAILABLE at worst), so that an admission never waits for ever, and the
 * connection is not read meanwhile, so that it cannot vanish under it.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "net/crypto.h"
#include "registry/claim_plan.h"
#include "registry/claim_request.h"
#include "registry/happening.h"
#include "relay/admission.h"
#include "relay/backlog.h"
#include "relay/check.h"
#include "relay/enrol.h"
#include "relay/entry.h"
#include "relay/events.h"
#include "relay/holder_probe.h"
#include "relay/rotation.h"
#include "relay/service.h"
#include "relay/session.h"
#include "relay/sources.h"
#include "wire/url.h"

#define RETRY_AFTER_S 2

struct admission {
	struct hash_node by_name; /* in relay->admissions */
	struct relay *relay;
	struct upgrade *upgrade;
	struct device *device; /* pinned, once attached */
	struct claim claim;
	struct claim_turn turn;	 /* for the claim */
	uint64_t waits_since_ms; /* loop clock: for that */
	struct claim_result granted;
	uint8_t secret_sha256[SHA256_LEN];
	char *
	    lease; /* its token, until it is known what secret it was signed for */
	uint64_t hops;
	struct holder_probe probe;   /* of who has its name */
	struct enrolment *enrolment; /* it has a fleet's key; NULL: none */
	bool certified;		     /* by its certificate: needs no secret */
	bool claimed;		     /* it has the name */
	bool placed;		     /* it is one of relay->n_placed */
	bool provisional; /* the registry is away: nothing was written yet */
	bool changed; /* the operator has changed the device since this began */
};

static void turn_cb(struct claim_turn *turn, bool waited);

static struct admission *
admission_of(struct hash_node *node)
{
	return HASH_ENTRY(node, struct admission, by_name);
}

static struct str
key_cb(const struct hash_node *node)
{
	return str_of(
	    HASH_ENTRY(node, const struct admission, by_name)->claim.name);
}

void
admissions_init(struct relay *relay)
{
	hash_map_init(&relay->admissions, key_cb);
	claim_queue_init(&relay->claim_queue, relay->loop, turn_cb);
}

/* What it waits for is not the registry any more. */
static void
leave_queue(struct admission *admission)
{
	struct relay *relay = admission->relay;

	if (admission->claimed && claim_queue_is_crowded(&relay->claim_queue))
		turns_count(&relay->turns, loop_now_ms(relay->loop));
	admission->claimed = false;
	claim_queue_leave(&relay->claim_queue, &admission->turn);
}

static void
admission_free(struct admission *admission)
{
	leave_queue(admission);
	holder_probe_cancel(&admission->probe);
	if (admission->device != NULL)
		device_unpin(admission->device);
	hash_map_remove(&admission->relay->admissions, &admission->by_name);
	admission->relay->n_placed -= admission->placed;
	crypto_wipe(admission->secret_sha256, sizeof(admission->secret_sha256));
	free(admission->lease);
	device_record_drop(&admission->claim.device);
	if (admission->enrolment != NULL)
		crypto_wipe(
		    admission->enrolment, sizeof(*admission->enrolment));
	free(admission->enrolment);
	free(admission);
}

static void
reject(struct admission *admission, const struct upgrade_error *error)
{
	struct upgrade *upgrade = admission->upgrade;

	admission_free(admission);
	upgrade_reject(upgrade, error);
}

static void
reject_busy(struct admission *admission, const char *reason)
{
	reject(admission,
	    &(struct upgrade_error){.status = 503,
		.code = "unavailable",
		.reason = reason,
		.retry_after_s = RETRY_AFTER_S});
}

static void
tell_lease(const struct admission *admission)
{
	const struct lease *lease = &admission->granted.lease;
	char ports[SERVICES_MAX * (SERVICE_NAME_MAX + 8)];
	struct writer w;
	size_t len = 0;

	writer_init(&w, ports, sizeof(ports));
	for (size_t i = 0; i < lease->n_ports; i++) {
		if (i > 0)
			writer_char(&w, ',');
		service_port_write(&w, &lease->ports[i]);
		/* an event has room for so much of a value: no entry in halves */
		if (writer_len(&w) > HAPPENING_VALUE_MAX)
			break;
		len = writer_len(&w);
	}
	event_emit(admission->relay, EVENT_LEASE, admission->claim.name,
	    LOG_S("state", "granted"), LOG_S("label", lease->label),
	    LOG_STR("ports", ((struct str){ports, len})));
}

/* The last step: the agent gets its channel. */
static void
welcome(struct admission *admission)
{
	struct upgrade *upgrade = admission->upgrade;
	struct device *device = admission->device;
	struct session *session;
	uint8_t *rest;
	size_t len;

	upgrade_switch(upgrade);
	session = session_new(device, &upgrade->conn);
	if (admission->provisional) {
		device->unverified = !device->relay->options.open;
		device->unread = true;
		backlog_add(device);
	}
	if (session != NULL) {
		if (admission->granted.new_lease)
			tell_lease(admission);
		admission->device = NULL; /* device_online() unpins */
		device_online(device, session, &admission->claim.channels);
		timing_add(&device->relay->timings.connect, upgrade->since_us);
		rotation_ask(device, &admission->claim.device);
		rest = upgrade_rest(upgrade, &len);
		if (len > 0 && device->session == session)
			session_feed(session, rest, len);
		if (admission->changed)
			(void)device_changed(
			    admission->relay, admission->claim.name);
	}
	admission_free(admission);
	upgrade_free(upgrade);
}

static void
published_cb(void *ctx, enum registry_status status)
{
	struct admission *admission = ctx;

	if (admission->device->moved || admission->device->released)
		/* while it was written, or by what the answer says */
		reject_busy(
		    admission, "the device was moved or removed meanwhile");
	else if (status == REGISTRY_OK || status == REGISTRY_UNAVAILABLE)
		welcome(
		    admission); /* what could not be written is written when it is back */
	else
		reject_busy(
		    admission, "another session of the device is newer");
}

static void
attach(struct admission *admission)
{
	const char *error;

	/* the one that was found right; in open mode any is */
	memcpy(admission->claim.device.secret_sha256, admission->secret_sha256,
	    SHA256_LEN);
	admission->device = device_attach(
	    admission->relay, &admission->claim, &admission->granted, &error);
	if (admission->device == NULL)
		reject(admission,
		    &(struct upgrade_error){.status = 503,
			.code = "overload",
			.reason = error,
			.retry_after_s = 30});
	else if (admission->provisional)
		welcome(admission);
	else
		device_hold(admission->device, published_cb, admission);
}

static void
refuse_held(struct admission *admission)
{
	struct session_info holder = admission->probe.holder;

	log_warn("device name is held", LOG_S("device", admission->claim.name),
	    LOG_S("from", admission->claim.from), LOG_S("holder", holder.from),
	    LOG_S("relay", holder.relay));
	reject(admission,
	    &(struct upgrade_error){.status = 409,
		.code = "held",
		.reason = "another agent with this name is connected",
		.holder = &holder});
}

/* The holder does not answer: take the name over from that very session. */
static void
take_over(struct admission *admission)
{
	uint64_t epoch = admission->probe.holder.epoch;

	log_info("taking a name over from a dead session",
	    LOG_S("device", admission->claim.name), LOG_U("epoch", epoch));
	admission->claim.over_epoch = epoch;
	admission->waits_since_ms = loop_now_ms(admission->relay->loop);
	claim_queue_return(&admission->relay->claim_queue, &admission->turn);
}

static void
probed_cb(void *ctx, bool alive)
{
	if (alive)
		refuse_held(ctx);
	else
		take_over(ctx);
}

/* Another agent has its name: the time that it has to answer is not ours. */
static void
ask_holder(struct admission *admission, const struct session_info *holder)
{
	leave_queue(admission);
	holder_probe_start(&admission->probe, admission->claim.name, holder);
}

static void
take_notice(struct admission *admission, const struct registry_event *event)
{
	if (event->type == REGISTRY_DEVICE)
		admission->changed = true;
	else
		holder_probe_notice(&admission->probe, event);
}

void
admissions_notice(struct relay *relay, const struct registry_event *event)
{
	struct hash_node *node =
	    hash_map_find(&relay->admissions, str_of(event->name));

	while (node != NULL) {
		struct admission *admission = admission_of(node);

		node = hash_map_find_next(&relay->admissions, node);
		take_notice(admission, event);
	}
}

/* What the device had, as far as can be known without the registry: as we have it, if the
 * secret is the one that we know; else as a relay has signed it for this secret, unless we
 * know of something later. False: nothing. */
static bool
recall_lease(const struct admission *admission, const struct device *device,
    struct lease *lease)
{
	const struct claim *claim = &admission->claim;
	bool known = device != NULL && !device->moved;

	if (known &&
	    crypto_equal(
		device->secret_sha256, admission->secret_sha256, SHA256_LEN)) {
		grant_lease(device->grant, lease);
		return true;
	}
	if (!claim->has_signed_lease ||
	    (known && device->grant->epoch >= claim->signed_lease.epoch))
		return false;
	*lease = claim->signed_lease;
	return true;
}

/* A certificate is as good as the device's secret: what is kept and signed is as if it had come
 * with that, whatever the agent has sent as one. */
static void
take_secret(struct admission *admission, const uint8_t sha256[SHA256_LEN])
{
	if (admission->certified)
		memcpy(admission->secret_sha256, sha256, SHA256_LEN);
}

static void
fill_provisional(struct admission *admission, uint64_t last_epoch)
{
	const struct claim *claim = &admission->claim;
	struct claim_result *granted = &admission->granted;
	struct session_info *session = &granted->session;

	session->epoch = claim_next_epoch(claim, last_epoch);
	granted->lease.epoch = session->epoch;
	session->since_ms = loop_wall_ms();
	(void)str_copy(str_of(admission->relay->self.id), session->relay,
	    sizeof(session->relay));
	memcpy(session->instance, claim->instance, sizeof(session->instance));
	memcpy(session->from, claim->from, sizeof(session->from));
}

/* The registry is away: a device that we know, or that shows a lease signed by the
 * cluster, is taken all the same. It is looked up and written down when the registry is
 * back. */
static void
admit_provisionally(struct admission *admission)
{
	struct relay *relay = admission->relay;
	struct device *device =
	    device_find(relay, str_of(admission->claim.name));
	struct session_info holder;

	if (!relay->inherited_complete &&
	    loop_now_ms(relay->loop) < relay->registry_due_ms) {
		/* it says which ports are somebody's */
		reject_busy(admission, "the relay has just begun");
		return;
	}
	if (device != NULL && !device->moved)
		take_secret(admission, device->secret_sha256);
	if (!recall_lease(admission, device, &admission->granted.lease)) {
		reject_busy(admission, "the registry does not answer");
		return;
	}
	if (relay->self.draining ||
	    relay->self.agents >= relay->self.capacity) {
		reject_busy(admission, "the relay is full or stopping");
		return;
	}
	if (device != NULL && device->session != NULL &&
	    strcmp(grant_instance(device->grant), admission->claim.instance) !=
		0) {
		grant_session(device->grant, relay->self.id, &holder);
		ask_holder(admission, &holder);
		return;
	}
	log_warn("registry is away: session is provisional",
	    LOG_S("device", admission->claim.name));
	admission->provisional = true;
	fill_provisional(admission, device != NULL ? device->grant->epoch : 0);
	attach(admission);
}

static void
claimed_cb(void *ctx, const struct claim_result *result)
{
	struct admission *admission = ctx;

	admission->claimed = result->status == REGISTRY_OK;
	switch (result->status) {
	case REGISTRY_OK:
		admission->granted = *result;
		attach(admission);
		return;
	case REGISTRY_HELD:
		ask_holder(admission, &result->session);
		return;
	case REGISTRY_EXHAUSTED:
		reject(admission,
		    &(struct upgrade_error){.status = 503,
			.code = "overload",
			.reason = "no public port is free",
			.retry_after_s = 30});
		return;
	default:
		admit_provisionally(admission);
	}
}

static void
claim_name(struct admission *admission)
{
	struct registry *registry = admission->relay->registry;

	if (registry->ops->claim(
		registry, &admission->claim, claimed_cb, admission) != 0)
		reject_busy(admission, "the relay is out of memory");
}

/* The same request at another relay, one hop on. False: no room. */
static bool
write_location(const struct admission *admission, const struct relay_info *to,
    char *out, size_t cap)
{
	const struct claim *claim = &admission->claim;
	char token[LEASE_TOKEN_MAX + 1], hash[SHA256_HEX_LEN];
	struct claim_redirect redirect = {.hops = admission->hops + 1};
	struct writer w;

	if (claim->has_signed_lease &&
	    lease_token_make(&admission->relay->lease_key, claim->name,
		admission->secret_sha256, &claim->signed_lease, token,
		sizeof(token)))
		redirect.lease = str_of(token);
	if (admission->enrolment != NULL) {
		writer_init(&w, hash, sizeof(hash));
		writer_hex(&w, admission->secret_sha256, SHA256_LEN);
		redirect.enrol = (struct str){hash, sizeof(hash)};
	}
	return claim_write_location(claim, to->url, &redirect, out, cap);
}

/* A crowd that comes at once is counted before it has its sessions. */
static void
stay(struct admission *admission)
{
	admission->placed = true;
	admission->relay->n_placed++;
}

static void
reject_full(struct admission *admission)
{
	const struct relay *relay = admission->relay;

	reject(admission,
	    &(struct upgrade_error){.status = 503,
		.code = "overload",
		.reason = relay->self.draining ? "the relay is stopping"
					       : "the relay is full",
		.retry_after_s = RETRY_AFTER_S + crypto_below(5)});
}

/* True: the agent was sent away. */
static bool
place(struct admission *admission)
{
	struct relay *relay = admission->relay;
	struct relay_info self = relay->self;
	struct placement_question question = {
	    .self = &self,
	    .coming = relay->n_placed,
	    .hops = admission->hops,
	    .returns = admission->claim.has_signed_lease,
	    .at_home = service_is_expected(relay, &admission->claim),
	    .now_ms = loop_now_ms(relay->loop),
	    .wall_ms = loop_wall_ms(),
	    .random = crypto_below(UINT32_MAX),
	};
	const struct relay_info *to = NULL;
	char location[URL_MAX + CONTROL_MSG_MAX / 2];

	self.agents += relay->n_placed;
	question.n_relays =
	    relay->registry->ops->relays(relay->registry, &question.relays);
	switch (placement_decide(&relay->placement, &question, &to)) {
	case PLACEMENT_KEEP:
		stay(admission);
		return false;
	case PLACEMENT_REDIRECT:
		if (!write_location(
			admission, to, location, sizeof(location))) {
			stay(admission);
			return false;
		}
		relay->counters.agents_redirected++;
		log_info("agent redirected",
		    LOG_S("device", admission->claim.name), LOG_S("to", to->id),
		    LOG_U("hops", admission->hops + 1));
		reject(admission,
		    &(struct upgrade_error){.status = 302,
			.code = "moved",
			.reason = "another relay has more room",
			.location = location});
		return true;
	case PLACEMENT_FULL:
		break;
	}
	reject_full(admission);
	return true;
}

static void
verify_lease(struct admission *admission, struct str token)
{
	struct claim *claim = &admission->claim;

	claim->has_signed_lease =
	    lease_token_verify(&admission->relay->lease_key, token, claim->name,
		admission->secret_sha256, &claim->signed_lease, NULL);
}

static void
take_record(struct admission *admission, const struct device_record *record)
{
	device_record_copy(&admission->claim.device, record);
	take_secret(admission, record->secret_sha256);
	if (admission->lease != NULL)
		verify_lease(admission, str_of(admission->lease));
}

/* It has waited for so long that its agent, whose patience is about as long as ours, may not wait
 * until it is through. */
static bool
is_late(const struct admission *admission)
{
	const struct relay *relay = admission->relay;

	return loop_now_ms(relay->loop) - admission->waits_since_ms >=
	    (uint64_t)relay->options.handshake_timeout_ms / 2;
}

static void
turn_cb(struct claim_turn *turn, bool waited)
{
	struct admission *admission = turn->owner;
	struct upgrade *upgrade = admission->upgrade;

	if (waited && conn_hung_up(&upgrade->conn)) {
		admission_free(admission);
		upgrade_give_up(upgrade);
	} else if (admission->relay->self.draining) {
		reject_full(admission);
	} else if (waited && is_late(admission)) {
		admission_free(admission);
		upgrade_turn_away(upgrade, LIMIT_CLAIMS);
	} else {
		claim_name(admission);
	}
}

/* Its record is known, and its secret right. */
static void
admit(struct admission *admission)
{
	struct relay *relay = admission->relay;

	if (place(admission))
		return;
	admission->waits_since_ms = loop_now_ms(relay->loop);
	claim_queue_join(&relay->claim_queue, &admission->turn);
}

static void
device_cb(
    void *ctx, enum registry_status status, const struct device_record *record)
{
	struct admission *admission = ctx;
	bool open = admission->relay->options.open;

	if (status == REGISTRY_UNAVAILABLE || status == REGISTRY_UNREADABLE) {
		admit_provisionally(admission);
		return;
	}
	if (!open &&
	    (status != REGISTRY_OK ||
		(!admission->certified &&
		    !crypto_equal(record->secret_sha256,
			admission->secret_sha256, SHA256_LEN)))) {
		struct upgrade *upgrade = admission->upgrade;

		admission_free(admission);
		/* one answer for both, so that names cannot be found out */
		upgrade_reject_unauthorized(
		    upgrade, "unknown device or wrong secret");
		return;
	}
	if (status == REGISTRY_OK)
		take_record(admission, record);
	admit(admission);
}

/* A wrong key is as much of an attempt as a wrong secret. */
static void
reject_enrolment(struct admission *admission, const struct upgrade_error *error)
{
	struct upgrade *upgrade = admission->upgrade;

	admission_free(admission);
	if (error->status == 401)
		upgrade_reject_unauthorized(upgrade, error->reason);
	else
		upgrade_reject(upgrade, error);
}

static void
enrolled_cb(void *ctx, enum enrolment_verdict verdict,
    const struct device_record *record)
{
	struct admission *admission = ctx;
	struct upgrade_error error;

	if (!enrol_judged(
		admission->relay, admission->enrolment, verdict, &error)) {
		reject_enrolment(admission, &error);
		return;
	}
	take_record(admission, record);
	admit(admission);
}

/* Copy what the request says. */
static void
take_params(struct admission *admission, const struct control_params *params)
{
	struct claim *claim = &admission->claim;

	claim_take_request(claim, params, admission->upgrade->from);
	admission->hops = params->hops;
	if (params->lease.ptr == NULL)
		return;
	verify_lease(admission, params->lease);
	if (!claim->has_signed_lease && admission->certified)
		admission->lease =
		    strndup(params->lease.ptr, params->lease.len);
}

/* NULL when there is no memory. */
static struct admission *
admission_new(struct upgrade *upgrade, const struct http_head *head,
    const struct control_params *params)
{
	struct relay *relay = upgrade->relay;
	struct admission *admission = calloc(1, sizeof(*admission));
	struct str secret = handshake_bearer(head);

	if (admission == NULL)
		return NULL;
	admission->relay = relay;
	admission->upgrade = upgrade;
	admission->certified = upgrade->certificate == TLS_PEER_NAMED;
	holder_probe_init(&admission->probe, relay, probed_cb, admission);
	if (params->enrol.ptr != NULL)
		(void)secret_hash_parse(
		    params->enrol, admission->secret_sha256); /* checked */
	else
		crypto_sha256(secret.ptr != NULL ? secret.ptr : "", secret.len,
		    admission->secret_sha256);
	take_params(admission, params);
	admission->turn.name = str_of(admission->claim.name);
	admission->turn.owner = admission;
	if (hash_map_insert(&relay->admissions, &admission->by_name) != 0) {
		free(admission->lease);
		free(admission);
		return NULL;
	}
	return admission;
}

/* Its secret is one that no relay knows yet: what it has is the key of a fleet. */
static void
start_enrolment(struct admission *admission, const struct http_head *head,
    const struct control_params *params)
{
	struct registry *registry = admission->relay->registry;
	struct upgrade_error error;

	if ((admission->enrolment = malloc(sizeof(*admission->enrolment))) ==
	    NULL) {
		reject_busy(admission, "the relay is out of memory");
		return;
	}
	if (!enrol_read(head, params, admission->claim.from,
		admission->enrolment, &error)) {
		reject_enrolment(admission, &error);
		return;
	}
	upgrade_head_read(admission->upgrade);
	if (registry->ops->enrol(
		registry, admission->enrolment, enrolled_cb, admission) != 0)
		reject_busy(admission, "the relay is out of memory");
}

void
admission_start(struct upgrade *upgrade, struct http_head *head)
{
	struct relay *relay = upgrade->relay;
	struct admission *admission;
	struct control_params params;

	if (!entry_grant(upgrade, head, &params))
		return;
	if (params.check) {
		check_start(upgrade, head, &params);
		return;
	}
	if ((admission = admission_new(upgrade, head, &params)) == NULL) {
		upgrade_reject(upgrade,
		    &(struct upgrade_error){.status = 503,
			.code = "overload",
			.reason = "the relay is out of memory",
			.retry_after_s = 30});
		return;
	}
	timer_clear(relay->loop, &upgrade->timer);
	if (params.enrol.ptr != NULL && !relay->options.open) {
		start_enrolment(admission, head, &params);
		return;
	}
	upgrade_head_read(upgrade);
	if (relay->registry->ops->device_get(relay->registry,
		admission->claim.name, device_cb, admission) != 0)
		reject_busy(admission, "the relay is out of memory");
}

static void
free_cb(void *ctx, struct hash_node *node)
{
	struct admission *admission = admission_of(node);

	(void)ctx;
	admission->device = NULL; /* the registry is gone: nothing is written */
	admission_free(admission); /* its upgrade is freed with the others */
}

void
admissions_free_all(struct relay *relay)
{
	hash_map_each(&relay->admissions, free_cb, NULL);
	claim_queue_fini(&relay->claim_queue);
}
