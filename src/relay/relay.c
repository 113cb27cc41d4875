/* SPDX-License-Identifier: MIT */
/*
 * The life of a relay: it runs, announcing itself and following the registry's events;
 * told to stop it drains, closes what is left, departs, and ends.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/log.h"
#include "base/utc_day.h"
#include "net/descriptors.h"
#include "net/listener.h"
#include "net/process.h"
#include "net/slice.h"
#include "relay/admission.h"
#include "relay/api/live.h"
#include "relay/backlog.h"
#include "relay/counting.h"
#include "relay/events.h"
#include "relay/front.h"
#include "relay/holder_probe.h"
#include "relay/inherited.h"
#include "relay/quota.h"
#include "relay/relay_setup.h"
#include "relay/service.h"
#include "relay/session.h"

#define STOP_POLL_MS 50
#define CLOSING_MS 3000 /* for the last writes to the registry */

/* What does not change while we run. */
static void
note_facts(struct relay *relay, size_t files_limit)
{
	const struct port_set *ports = &relay->public_ports;
	struct relay_facts *facts = &relay->facts;

	facts->domain = relay->options.domain;
	facts->version = PACKAGE_VERSION;
	facts->public_scheme =
	    relay->options.public_scheme == 0 ? "http" : "https";
	facts->public_http_port = (uint64_t)relay->options.public_http_port;
	if (ports->count > 0)
		snprintf(facts->public_ports, sizeof(facts->public_ports),
		    "%u-%u", (unsigned)port_set_nth(ports, 0),
		    (unsigned)port_set_nth(ports, ports->count - 1));
	facts->files_limit = files_limit;
	facts->listen_queue = listener_queue();
	facts->busiest = relay->busiest_text;
	relay->busiest_since_ms = loop_now_ms(relay->loop);
	relay->self.facts = facts;
}

static void
take_busiest(struct relay *relay)
{
	uint64_t now = loop_now_ms(relay->loop);

	relay->facts.busiest_ms = now - relay->busiest_since_ms;
	relay->busiest_since_ms = now;
	(void)busiest_text(&relay->busiest, relay->busiest_text);
	busiest_clear(&relay->busiest);
}

static void
announce_cb(void *ctx)
{
	struct relay *relay = ctx;
	uint64_t values[COUNTERS_FLAT];

	counting_flush(relay, utc_day(loop_wall_ms()));
	quotas_tend(relay);
	take_busiest(relay);
	relay->self.visitors = relay->n_visitors;
	counters_values(&relay->counters, values);
	relay->registry->ops->announce(relay->registry, &relay->self,
	    relay->self_route.key[0] != '\0' ? &relay->self_route : NULL,
	    counters_names(), values, COUNTERS_FLAT);
	backlog_write(relay); /* what was refused the last time */
	timer_set(relay->loop, &relay->announce_timer,
	    (uint64_t)relay->options.announce_ms);
}

static void
announce_now(struct relay *relay)
{
	timer_clear(relay->loop, &relay->announce_timer);
	announce_cb(relay);
}

static void
session_news(struct relay *relay, const struct registry_event *event)
{
	struct device *device = device_find(relay, str_of(event->name));

	live_note_change(relay->live);
	if (event->up && strcmp(event->relay, relay->self.id) != 0) {
		placement_arrived(&relay->placement, event->relay);
		if (device != NULL && device->grant->epoch < event->epoch)
			device_moved(device);
	}
	admissions_notice(relay, event);
}

/* The operator's wish; a relay that stops drains anyway. */
static void
drain_on_request(struct relay *relay, bool wanted)
{
	if (relay->phase != RELAY_RUNNING)
		return;
	if (wanted)
		drain_begin(relay, UINT64_MAX);
	else
		drain_end(relay);
	announce_now(relay);
}

static void
registry_event(void *ctx, const struct registry_event *event)
{
	struct relay *relay = ctx;

	switch (event->type) {
	case REGISTRY_UP:
		log_info("registry is up",
		    LOG_S("contents",
			event->lost	      ? "lost"
			    : event->doubtful ? "in doubt"
					      : "kept"));
		relay->registry_lost = event->lost;
		inherited_complete(relay);
		services_listen(relay);
		if (event->lost || event->doubtful)
			backlog_add_all(relay);
		backlog_write(relay);
		break;
	case REGISTRY_DOWN:
		log_warn("registry is down: sessions go on, changes are "
			 "written later");
		break;
	case REGISTRY_SESSION:
		session_news(relay, event);
		break;
	case REGISTRY_PROBE:
		holder_probe_answer(relay, event);
		break;
	case REGISTRY_ALIVE:
		admissions_notice(relay, event);
		break;
	case REGISTRY_DEVICE:
		admissions_notice(relay, event);
		if (device_changed(relay, event->name) != 0)
			log_error("a changed device could not be looked at: "
				  "out of memory",
			    LOG_S("device", event->name));
		break;
	case REGISTRY_MISSED:
		log_warn("changes of devices may have been missed: reading "
			 "their records again");
		devices_doubt(relay);
		backlog_write(relay);
		break;
	case REGISTRY_KICK:
		device_kick(relay, event->name, event->epoch);
		break;
	case REGISTRY_DRAIN:
		drain_on_request(relay, event->up);
		break;
	case REGISTRY_LEASE_SWEPT:
		/* of one that is here we tell ourselves */
		if (device_find(relay, str_of(event->name)) == NULL)
			event_emit(relay, EVENT_LEASE, event->name,
			    LOG_S("state", "ended"), LOG_S("why", "swept"));
		break;
	case REGISTRY_RELAY_SWEPT:
		event_emit(relay, EVENT_RELAY, NULL, LOG_S("state", "gone"),
		    LOG_S("gone", event->relay));
		break;
	case REGISTRY_RELAYS:
		rebalance_look(relay);
		break;
	case REGISTRY_ROUTE:
		inherited_note(relay, event);
		break;
	}
}

static void
close_session_cb(void *ctx, struct hash_node *node)
{
	struct device *device = HASH_ENTRY(node, struct device, by_name);

	(void)ctx;
	if (device->session != NULL)
		session_close(device->session, CLOSE_SHUTDOWN);
}

static void
departed_cb(void *ctx, enum registry_status status)
{
	struct relay *relay = ctx;

	(void)status;
	loop_stop(relay->loop);
}

/* What has happened and the registry has not taken in time. */
static void
say_lost(const struct relay *relay)
{
	size_t n = relay->registry->ops->untold(relay->registry);

	if (n > 0)
		log_warn("events are lost: the registry has not taken them",
		    LOG_U("count", n));
}

/* One phase of stopping leads to the next; each has a deadline. */
static void
stop_cb(void *ctx)
{
	struct relay *relay = ctx;
	uint64_t now = loop_now_ms(relay->loop);
	bool late = now >= relay->stop_deadline_ms;

	if (relay->phase == RELAY_DRAINING) {
		if (late ||
		    (drain_is_done(relay) && relay->n_visitors == 0 &&
			farewells_unsent(relay->farewells) == 0)) {
			relay->phase = RELAY_CLOSING;
			relay->stop_deadline_ms = now + CLOSING_MS;
			hash_map_each(&relay->devices, close_session_cb, NULL);
		}
	} else if (relay->phase == RELAY_CLOSING) {
		counting_flush(relay, utc_day(loop_wall_ms()));
		if (late ||
		    (LIST_EMPTY(&relay->writes) && counting_is_done(relay) &&
			relay->registry->ops->untold(relay->registry) == 0)) {
			say_lost(relay);
			relay->phase = RELAY_DEPARTING;
			relay->stop_deadline_ms = now + CLOSING_MS;
			timer_clear(relay->loop, &relay->announce_timer);
			relay->registry->ops->depart(
			    relay->registry, departed_cb, relay);
		}
	} else if (late) {
		loop_stop(relay->loop);
	}
	timer_set(relay->loop, &relay->stop_timer, STOP_POLL_MS);
}

/* SIGTERM: drain. Told again: do not wait for visits any more. */
static void
terminate_cb(void *ctx)
{
	struct relay *relay = ctx;
	uint64_t now = loop_now_ms(relay->loop);

	if (relay->phase != RELAY_RUNNING) {
		relay->stop_deadline_ms = now;
		return;
	}
	relay->phase = RELAY_DRAINING;
	relay->stop_deadline_ms =
	    now + (uint64_t)relay->options.drain_timeout_ms;
	drain_begin(relay, (uint64_t)relay->options.drain_timeout_ms / 2);
	announce_now(relay);
	if (relay->front != NULL)
		front_stop(relay->front);
	timer_set(relay->loop, &relay->stop_timer, 0);
}

/* SIGINT: stop without waiting for visits. */
static void
interrupt_cb(void *ctx)
{
	struct relay *relay = ctx;

	if (relay->phase == RELAY_RUNNING)
		relay->options.drain_timeout_ms = 0;
	terminate_cb(relay);
}

static void
reload_cb(void *ctx)
{
	struct relay *relay = ctx;
	struct relay_options fresh;

	if (options_reload(
		&relay_option_table, relay->argc, relay->argv, &fresh) != 0)
		return;
	relay_apply(relay, &fresh);
	options_free(&relay_option_table, &fresh);
	log_info("configuration was read again");
}

static int
run(struct relay *relay)
{
	size_t descriptors = descriptors_raise_limit();
	int code;

	slice_ask_short();
	if ((code = process_become(relay->options.user, true)) != 0)
		return code;
	if (relay->options.core_dumps)
		process_show_memory();
	code = relay_setup(relay, registry_event);
	if (code != 0)
		return code;
	timer_init(&relay->announce_timer, announce_cb, relay);
	timer_init(&relay->stop_timer, stop_cb, relay);
	drain_init(relay);
	note_facts(relay, descriptors);
	if (loop_on_signal(relay->loop, SIGTERM, terminate_cb, relay) != 0 ||
	    loop_on_signal(relay->loop, SIGINT, interrupt_cb, relay) != 0 ||
	    loop_on_signal(relay->loop, SIGHUP, reload_cb, relay) != 0) {
		log_error("cannot watch signals", LOG_S("error", log_errno()));
		return EX_OSERR;
	}
	announce_cb(relay);
	log_info("relay is running", LOG_S("id", relay->self.id),
	    LOG_S("url", relay->self.url),
	    LOG_S("registry",
		redis_options_given(&relay->options.registry) ? "redis"
							      : "memory"),
	    LOG_U("descriptors", descriptors));
	if (loop_run(relay->loop) != 0) {
		log_error("the event loop failed", LOG_S("error", log_errno()));
		return EX_OSERR;
	}
	log_info("relay has stopped");
	return 0;
}

int
relay_main(int argc, char **argv)
{
	struct relay *relay = calloc(1, sizeof(*relay));
	int code;

	process_begin();
	if (relay == NULL)
		return EX_OSERR;
	switch (
	    options_load(&relay_option_table, argc, argv, &relay->options)) {
	case OPTIONS_OK:
		break;
	case OPTIONS_EXIT:
		free(relay);
		return 0;
	case OPTIONS_ERROR:
		free(relay);
		return EX_CONFIG;
	}
	relay->argc = argc;
	relay->argv = argv;
	log_setup("taupe-relay", (enum log_level)relay->options.log_level,
	    relay->options.log_syslog);
	code = run(relay);
	relay_teardown(relay);
	options_free(&relay_option_table, &relay->options);
	free(relay);
	return code;
}
