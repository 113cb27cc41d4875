/* SPDX-License-Identifier: MIT */
/*
 * Each step makes one part or says what is wrong with the configuration, where, and what
 * to do. Nothing listens before it is known that it may.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/device_file.h"
#include "base/log.h"
#include "base/utc_day.h"
#include "base/private_file.h"
#include "base/wipe.h"
#include "net/crypto.h"
#include "net/redis_access.h"
#include "net/worker.h"
#include "relay/admin.h"
#include "relay/admission.h"
#include "relay/api/api.h"
#include "relay/agent_door.h"
#include "relay/check.h"
#include "relay/connect.h"
#include "relay/device.h"
#include "relay/dig.h"
#include "relay/events.h"
#include "relay/front.h"
#include "relay/handover.h"
#include "relay/hosts.h"
#include "relay/inherited.h"
#include "relay/api/live.h"
#include "relay/relay_setup.h"
#include "relay/rotation.h"
#include "relay/service.h"
#include "relay/share_door.h"
#include "relay/sources.h"
#include "relay/stream.h"
#include "relay/upgrade.h"
#include "relay/visitor.h"

#define FAREWELL_STALL_MS 300000
#define FAREWELL_LINGER_MS 3000
#define SECRET_FILE_MAX 4096

static const char ticket_purpose[] = "taupe tickets v1";

/* The first address of a list that is not on loopback, or NULL. */
static const char *
beyond_loopback(const struct option_list *list)
{
	struct listen_range range;
	struct address address;
	size_t i;

	for (i = 0; i < list->count; i++) {
		if (address_parse(str_of(list->items[i]), &address)) {
			if (!address_is_loopback(&address))
				return list->items[i];
		} else if (listen_range_parse(str_of(list->items[i]), &range) &&
		    !address_is_loopback(&range.address)) {
			return list->items[i];
		}
	}
	return NULL;
}

/* Nothing listens beyond loopback without authentication. */
static int
check_authentication(struct relay *relay)
{
	const struct relay_options *options = &relay->options;
	const char *agents = beyond_loopback(&options->agent_listen);
	const char *outside;

	if (agents == NULL)
		agents = beyond_loopback(&options->agent_tls_listen);
	outside = agents;
	if (outside == NULL)
		outside = beyond_loopback(&options->service_listen);
	if (outside == NULL)
		outside = beyond_loopback(&options->visitor_listen);
	if (options->open && outside != NULL) {
		log_error("open = yes takes any device, so every address must "
			  "be on loopback",
		    LOG_S("address", outside),
		    LOG_S("hint",
			"set open = no, and make devices with taupectl device "
			"add"));
		return EX_CONFIG;
	}
	if (agents != NULL &&
	    relay->registry->ops->device_count(relay->registry) == 0) {
		log_error("agents could connect from outside, but there is no "
			  "device and no fleet to be one of",
		    LOG_S("address", agents),
		    LOG_S("hint",
			"make one with taupectl device add or fleet add, and "
			"set "
			"devices_file, or "
			"listen on loopback"));
		return EX_CONFIG;
	}
	if (!redis_options_given(&options->registry) &&
	    options->devices_file == NULL && !options->open) {
		log_error("no device could ever connect: neither redis nor "
			  "devices_file is set",
		    LOG_S("hint",
			"set one of them, or open = yes for trying out on "
			"loopback"));
		return EX_CONFIG;
	}
	return 0;
}

static int
setup_key(struct relay *relay)
{
	const char *file = relay->options.cluster_key_file;
	char secret[SECRET_FILE_MAX + 1];
	long len;

	if (file == NULL) {
		if (redis_options_given(&relay->options.registry))
			log_warn("no cluster_key_file: signed leases are good "
				 "at this relay only, "
				 "until it stops");
		lease_key_random(&relay->lease_key);
		return 0;
	}
	len =
	    private_file_read("cluster_key_file", file, secret, sizeof(secret));
	if (len < 0) {
		log_error("cannot read file", LOG_S("file", file),
		    LOG_S("error", log_errno()));
		return EX_NOINPUT;
	}
	if (len < LEASE_KEY_FILE_MIN) {
		wipe(secret, sizeof(secret));
		log_error("cluster key is too short", LOG_S("file", file),
		    LOG_S("hint",
			"write at least 32 random bytes: openssl rand -hex "
			"32"));
		return EX_CONFIG;
	}
	lease_key_init(&relay->lease_key, secret, (size_t)len);
	crypto_hmac_sha256(secret, (size_t)len, ticket_purpose,
	    sizeof(ticket_purpose) - 1, relay->ticket_secret);
	relay->shares_tickets = true;
	wipe(secret, sizeof(secret));
	return 0;
}

static int
setup_ports(struct relay *relay)
{
	const struct option_list *list = &relay->options.service_listen;
	struct listen_range *ranges = calloc(list->count + 1, sizeof(*ranges));
	size_t i;

	if (ranges == NULL)
		return EX_OSERR;
	for (i = 0; i < list->count; i++)
		(void)listen_range_parse(str_of(list->items[i]), &ranges[i]);
	for (i = 0; i < list->count; i++) {
		if (relay->options.advertise_address == NULL &&
		    address_is_wildcard(&ranges[i].address)) {
			log_error("service_listen is a wildcard, which no "
				  "proxy can connect to",
			    LOG_S("service_listen", list->items[i]),
			    LOG_S("hint",
				"set advertise_address to this host's "
				"address"));
			free(ranges);
			return EX_CONFIG;
		}
	}
	relay->service_ports =
	    service_ports_new(relay->listeners, ranges, list->count);
	free(ranges);
	if (relay->service_ports == NULL)
		return EX_OSERR;
	service_ports_numbers(relay->service_ports, &relay->public_ports);
	if (relay->options.public_ports != NULL) {
		port_set_clear(&relay->public_ports);
		(void)port_set_parse(
		    &relay->public_ports, str_of(relay->options.public_ports));
	}
	return 0;
}

/* With the Sentinels, if there are any. */
static struct registry *
redis_registry(struct relay *relay, registry_event_cb event_cb)
{
	char name[RELAY_ID_MAX + 16], error[REDIS_ACCESS_ERROR_MAX];
	struct redis_access access;
	struct registry *registry = NULL;

	snprintf(name, sizeof(name), "taupe-relay:%s", relay->self.id);
	if (redis_access_init(&access, &relay->options.registry, name, error) !=
	    0) {
		log_error("cannot find Redis with these options",
		    LOG_S("error", error));
		goto out;
	}
	if (access.sentinel.n_sentinels > 0 &&
	    (relay->sentinel =
		    redis_sentinel_new(relay->loop, &access.sentinel)) == NULL)
		goto out;
	access.link.sentinel = relay->sentinel;
	registry = registry_redis_new(relay->loop, &relay->registry_settings,
	    &access.link, event_cb, relay);
out:
	redis_access_wipe(&access);
	return registry;
}

static int
setup_registry(struct relay *relay, registry_event_cb event_cb)
{
	const struct relay_options *options = &relay->options;

	relay->registry_settings = (struct registry_settings){
	    .relay_id = relay->self.id,
	    .lease_ms = (uint64_t)options->lease_ms,
	    .quarantine_ms = (uint64_t)options->quarantine_ms,
	    .announce_ms = (uint64_t)options->announce_ms,
	    .usage_ms = (uint64_t)options->usage_days * 86400000,
	    .public_ports = &relay->public_ports,
	    .open_mode = options->open,
	};
	relay->registry_due_ms = loop_now_ms(relay->loop) +
	    (uint64_t)options->registry.redis_timeout_ms;
	relay->registry = redis_options_given(&options->registry)
	    ? redis_registry(relay, event_cb)
	    : registry_memory_new(relay->loop, &relay->registry_settings,
		  options->devices_file, event_cb, relay);
	return relay->registry != NULL ? 0 : EX_CONFIG;
}

void
relay_log_listening(const char *what, const struct address *address)
{
	char text[ADDRESS_TEXT_MAX];

	log_info("listening", LOG_S("for", what),
	    LOG_S("address", address_text(address, text)));
}

int
relay_cannot_bind(const char *key, const struct address *address)
{
	char text[ADDRESS_TEXT_MAX];

	log_error("cannot listen", LOG_S("key", key),
	    LOG_S("address", address_text(address, text)),
	    LOG_S("error", log_errno()));
	return EX_UNAVAILABLE;
}

static int
setup_front(struct relay *relay)
{
	const struct option_list *list = &relay->options.visitor_listen;
	struct address addresses[FRONT_LISTENERS_MAX], address;
	const size_t max = FRONT_LISTENERS_MAX;
	const struct address *failed;
	size_t i, n;

	if (list->count > max) {
		log_error("too many visitor_listen", LOG_U("most", max));
		return EX_CONFIG;
	}
	for (n = 0; n < list->count; n++)
		(void)address_parse(str_of(list->items[n]), &addresses[n]);
	if (n == 0)
		return 0;
	if ((relay->front = front_new(relay, addresses, n, &failed)) == NULL)
		return relay_cannot_bind("visitor_listen", failed);
	for (i = 0; i < n; i++) {
		front_address(relay->front, i, &address);
		relay_log_listening("visitors", &address);
	}
	return 0;
}

static int
count_token_cb(void *ctx, const struct token_record *record)
{
	(void)record;
	++*(size_t *)ctx;
	return 0;
}

/* In Redis there may be one at any time; without any, each request is refused. */
static bool
has_tokens(const struct relay *relay)
{
	struct device_file_error error;
	size_t n = 0;

	if (redis_options_given(&relay->options.registry))
		return true;
	return relay->options.devices_file != NULL &&
	    device_file_read_tokens(
		relay->options.devices_file, count_token_cb, &n, &error) == 0 &&
	    n > 0;
}

static int
setup_admin(struct relay *relay)
{
	struct address address;

	if (relay->options.admin_listen == NULL)
		return 0;
	(void)address_parse(str_of(relay->options.admin_listen), &address);
	if (!address_is_loopback(&address) && !has_tokens(relay)) {
		log_error("admin_listen is beyond loopback, and there is no "
			  "token to ask for",
		    LOG_S("admin_listen", relay->options.admin_listen),
		    LOG_S("hint",
			"make one with taupectl token add, or listen on "
			"loopback"));
		return EX_CONFIG;
	}
	relay->admin =
	    http_admin_new(relay->loop, &address, relay_admin_routes, relay);
	if (relay->admin == NULL)
		return relay_cannot_bind("admin_listen", &address);
	if ((relay->live = live_new(relay)) == NULL ||
	    (relay->api = api_new(relay)) == NULL)
		return EX_OSERR;
	http_admin_address(relay->admin, &address);
	relay_log_listening("admin", &address);
	return 0;
}

static void
tell_limit_cb(void *ctx, const char *limit, const char *who, uint32_t times)
{
	struct relay *relay = ctx;

	event_emit(relay, EVENT_LIMIT, NULL, LOG_S("limit", limit),
	    LOG_S("who", who), LOG_U("times", times));
}

int
relay_setup(struct relay *relay, registry_event_cb event_cb)
{
	int code;

	(void)str_copy(
	    str_of(relay->options.id), relay->self.id, sizeof(relay->self.id));
	TAILQ_INIT(&relay->backlog);
	devices_init(relay);
	services_init(relay);
	hosts_init(relay);
	inherited_init(relay);
	digs_init(relay);
	visitors_init(relay);
	relay->day = utc_day(loop_wall_ms());
	streams_init(relay);
	if ((relay->loop = loop_new()) == NULL ||
	    (relay->farewells = farewells_new(
		 relay->loop, FAREWELL_STALL_MS, FAREWELL_LINGER_MS)) == NULL ||
	    (relay->worker = worker_new(relay->loop)) == NULL ||
	    (relay->listeners = listeners_new(relay->loop)) == NULL) {
		log_error(
		    "cannot start the event loop", LOG_S("error", log_errno()));
		return EX_OSERR;
	}
	admissions_init(relay);
	relay->hits.counters = &relay->counters;
	relay->hits.tell_cb = tell_limit_cb;
	relay->hits.ctx = relay;
	if ((relay->sources = sources_new(&relay->options, &relay->hits)) ==
	    NULL) {
		log_error("no memory for max_sources sources");
		return EX_OSERR;
	}
	guesses_init(&relay->guesses);
	if (pages_load(&relay->pages, relay->options.page_dir) != 0)
		return EX_NOINPUT;
	if ((code = setup_key(relay)) != 0 ||
	    (code = setup_ports(relay)) != 0 ||
	    (code = setup_registry(relay, event_cb)) != 0 ||
	    (code = check_authentication(relay)) != 0 ||
	    (code = agent_doors_open(relay)) != 0 ||
	    (code = setup_front(relay)) != 0)
		return code;
	return setup_admin(relay);
}

void
relay_apply(struct relay *relay, const struct relay_options *fresh)
{
	struct relay_options *options = &relay->options;

	options->hold_ms = fresh->hold_ms;
	options->heartbeat_ms = fresh->heartbeat_ms;
	options->heartbeat_min_ms = fresh->heartbeat_min_ms;
	options->heartbeat_max_ms = fresh->heartbeat_max_ms;
	options->probe_timeout_ms = fresh->probe_timeout_ms;
	options->open_timeout_ms = fresh->open_timeout_ms;
	options->handshake_timeout_ms = fresh->handshake_timeout_ms;
	options->transfer_idle_ms = fresh->transfer_idle_ms;
	options->warm_max = fresh->warm_max;
	options->warm_decay_ms = fresh->warm_decay_ms;
	options->drain_timeout_ms = fresh->drain_timeout_ms;
	options->drain_rate = fresh->drain_rate;
	options->rebalance = fresh->rebalance;
	options->rebalance_rate = fresh->rebalance_rate;
	options->capacity = fresh->capacity;
	options->weight = fresh->weight;
	options->max_visitors = fresh->max_visitors;
	options->max_handshakes = fresh->max_handshakes;
	options->visitor_rate = fresh->visitor_rate;
	options->visitor_burst = fresh->visitor_burst;
	options->device_rate = fresh->device_rate;
	options->max_transfers = fresh->max_transfers;
	options->max_services = fresh->max_services;
	options->max_message = fresh->max_message;
	options->source_handshakes = fresh->source_handshakes;
	options->source_handshake_rate = fresh->source_handshake_rate;
	options->source_auth_rate = fresh->source_auth_rate;
	options->source_visitors = fresh->source_visitors;
	options->source_visitor_rate = fresh->source_visitor_rate;
	options->source_guesses = fresh->source_guesses;
	devices_renew_limits(relay);
	options->agent_client_certificate = fresh->agent_client_certificate;
	options->proxy_client_certificate = fresh->proxy_client_certificate;
	options->proxy_protocol = fresh->proxy_protocol;
	options->log_level = fresh->log_level;
	relay->self.capacity = (uint64_t)fresh->capacity;
	relay->self.weight = (uint32_t)fresh->weight;
	log_setup("taupe-relay", (enum log_level)fresh->log_level,
	    options->log_syslog);
	if (pages_load(&relay->pages, fresh->page_dir) != 0)
		log_warn("pages stay as they were");
	agent_doors_reload(relay, fresh);
}

void
relay_teardown(struct relay *relay)
{
	http_admin_free(&relay->admin);
	live_free(&relay->live);
	api_free(&relay->api);
	agent_doors_close(relay);
	front_free(&relay->front);
	if (relay->registry != NULL)
		registry_free(&relay->registry);
	redis_sentinel_free(&relay->sentinel);
	admissions_free_all(relay);
	share_door_free_all(relay);
	connects_free_all(relay);
	checks_free_all(relay);
	rotations_free_all(relay);
	while (LIST_FIRST(&relay->upgrades) != NULL)
		upgrade_free(LIST_FIRST(&relay->upgrades));
	if (relay->loop != NULL)
		devices_free_all(relay);
	handovers_free_all(relay);
	visitors_fini(relay);
	streams_fini(relay);
	worker_free(&relay->worker);
	farewells_free(&relay->farewells);
	listeners_free(&relay->listeners);
	sources_free(&relay->sources);
	pages_free(&relay->pages);
	inherited_fini(relay);
	service_ports_free(&relay->service_ports);
	hash_map_fini(&relay->admissions);
	hash_map_fini(&relay->devices);
	hash_map_fini(&relay->services);
	hosts_fini(relay);
	hash_map_fini(&relay->digs);
	loop_free(&relay->loop);
	buf_pool_drain();
	crypto_wipe(&relay->lease_key, sizeof(relay->lease_key));
	crypto_wipe(relay->ticket_secret, sizeof(relay->ticket_secret));
}
