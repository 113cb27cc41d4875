/* SPDX-License-Identifier: MIT */
/*
 * One relay: its parts, and what they share. The parts know each other only through
 * the functions of their own headers.
 */
#ifndef TAUPE_RELAY_RELAY_H
#define TAUPE_RELAY_RELAY_H

#include <sys/queue.h>

#include "base/hash_map.h"
#include "base/pool.h"
#include "net/farewell.h"
#include "net/loop.h"
#include "net/tls.h"
#include "registry/lease_token.h"
#include "registry/registry.h"
#include "relay/busiest.h"
#include "relay/claim_queue.h"
#include "relay/counters.h"
#include "relay/door_queue.h"
#include "relay/drain.h"
#include "relay/guesses.h"
#include "relay/limit_hits.h"
#include "relay/page.h"
#include "relay/placement.h"
#include "relay/rebalance.h"
#include "relay/relay_options.h"
#include "relay/service_ports.h"
#include "relay/timings.h"
#include "relay/turns.h"

#define AGENT_LISTENERS_MAX 16 /* of either kind */

struct admission;
struct check;
struct api;
struct handover;
struct handover_search;
struct holding_write;
struct device;
struct front;
struct live;
struct http_admin;
struct introduction;
struct share_request;
struct sources;
struct upgrade;

struct relay {
	struct loop *loop;
	struct relay_options options;
	struct redis_sentinel *sentinel; /* NULL without redis_sentinel */
	struct registry *registry;
	struct registry_settings registry_settings;
	struct port_set public_ports;
	struct service_ports *service_ports;
	struct farewells *farewells;
	struct worker *worker; /* for bulk streams */
	struct listeners *listeners;   /* all of them */
	struct pool visitors, streams; /* their memory */
	struct pages pages;
	struct placement placement;
	struct counters counters;
	uint64_t n_events, events_untold; /* so far; lost, and not told of */
	struct timings timings;
	struct limit_hits hits;
	struct sources *sources;
	struct guesses guesses; /* of services' passwords */
	bool nameless_told; /* that these count as their proxy, which names nobody */
	struct relay_info self; /* as announced */
	struct relay_facts facts;
	struct busiest busiest; /* since busiest_since_ms */
	char busiest_text[BUSIEST_TEXT_MAX]; /* before that, for facts.busiest_ms */
	uint64_t busiest_since_ms; /* loop clock */
	struct route
	    self_route; /* relay/HOST → our agent listener; key "" when none */
	struct lease_key lease_key;
	uint8_t ticket_secret[TLS_TICKET_SECRET_LEN]; /* of the cluster */
	bool shares_tickets;

	size_t n_agent_listeners, n_agent_tls_listeners;
	struct listener agent_listeners[AGENT_LISTENERS_MAX];
	struct listener agent_tls_listeners[AGENT_LISTENERS_MAX];
	struct tls_context *agent_tls; /* NULL without agent_tls_listen */
	struct door_queue door_queue;  /* of connections to agent_tls_listen */
	struct front *front;	       /* NULL without visitor_listen */
	struct http_admin *admin;      /* NULL without admin_listen */
	struct live *live;	       /* the same */
	struct api *api;	       /* the same */

	struct hash_map devices;   /* by name */
	uint64_t last_service; /* serial of the latest one */
	struct hash_map services;  /* http and tls services by host name */
	struct hash_map hosts;     /* further names of theirs (relay/hosts.h) */
	struct hash_map inherited; /* routes to ports that are kept, by key */
	bool inherited_complete;   /* the registry has been up */
	struct hash_map
	    digs; /* transfer channels that agents were asked for, by id */
	struct hash_map admissions; /* by device name, which may repeat */
	LIST_HEAD(, upgrade) upgrades;
	LIST_HEAD(, share_request) share_requests; /* that wait for the registry */
	size_t n_share_requests;
	LIST_HEAD(, connect) connects; /* visitors over WebSockets */
	LIST_HEAD(, connect_search) connect_searches; /* and those who wait for the registry */
	LIST_HEAD(, check) checks; /* of agents' ways */
	size_t n_checks;
	LIST_HEAD(, uncounted)
	uncounted; /* of devices, until the registry has it */
	LIST_HEAD(, quota) quotas; /* of devices that have one */
	uint32_t day; /* that what is counted now belongs to: utc_day() */
	LIST_HEAD(, visitor) visits; /* all visitors */
	LIST_HEAD(, device) released; /* whose last visits are still running */
	LIST_HEAD(, introduction) introductions; /* under way */
	LIST_HEAD(, handover) handovers;
	LIST_HEAD(, handover_search) handover_searches;
	LIST_HEAD(, pending_rotation) rotations; /* of secrets, under way */
	LIST_HEAD(, holding_write) writes; /* to the registry, under way */
	struct timer inherited_timer; /* for what nobody came back for */
	uint64_t inherited_until_ms;  /* loop clock; the same */
	TAILQ_HEAD(, device)
	backlog; /* devices that the registry does not know as they are */
	size_t n_backlog;
	size_t backlog_writes; /* of these, being written now */
	bool registry_lost; /* when it last came up, it had forgotten things */
	uint64_t
	    registry_due_ms; /* loop clock: by then it should be up for the first time, or
				have told of another route that there was before */
	size_t n_sessions, n_visitors, n_transfers, n_upgrades, n_introductions;
	size_t n_services_down; /* of devices that are connected */
	size_t n_moving; /* sessions that were asked to go elsewhere */
	size_t n_placed; /* agents that stay here and have no session yet */
	struct claim_queue claim_queue; /* of admissions */
	struct turns turns; /* of agents that were sent away; loop clock */

	struct drain drain;
	struct rebalance rebalance;
	struct timer announce_timer;
	struct timer stop_timer;
	uint64_t stop_deadline_ms; /* loop clock; while draining */
	enum {
		RELAY_RUNNING,
		RELAY_DRAINING,
		RELAY_CLOSING,
		RELAY_DEPARTING
	} phase;
	int argc; /* for reading the configuration again */
	char **argv;
};

/* The whole life of taupe-relay: returns the exit code. */
int relay_main(int argc, char **argv);

#endif
