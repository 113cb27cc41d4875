/* SPDX-License-Identifier: MIT */
/*
 * What the files of the Redis registry share; for registry_redis*.c alone. The keys are
 * described in redis/KEYS.md.
 *
 * One link ("main") carries single commands, a few lanes carry transactions, because
 * WATCH belongs to a connection, and one more follows the stream of events.
 */
#ifndef TAUPE_REGISTRY_REGISTRY_REDIS_H
#define TAUPE_REGISTRY_REGISTRY_REDIS_H

#include "net/redis_link.h"
#include "registry/happening.h"
#include "registry/port_set.h"
#include "registry/registry_answer.h"
#include "registry/registry_redis_lane.h"

#define REDIS_LANES 4
#define STREAM_ID_MAX 48 /* "1764567890123-0" */
#define REDIS_COMPLAINTS 4    /* that are not repeated */
#define REDIS_ANSWER_MAX 160  /* bytes of an answer in the log */
/* What has happened, for people and their programs; the other stream is the relays' own. */
#define HISTORY_LENGTH "100000"
#define STREAM_ADD "XADD taupe:events MAXLEN ~ 100000 * "

/* A relay in the view, with the number of its last message about its load: events and
 * announcements come by different ways, and the later one counts. */
struct redis_seen_relay {
	uint64_t since_ms, sequence;
	uint64_t
	    news_ms; /* loop clock: when the sequence was last seen to grow */
};

/* The view of all relays, and our own announcement. registry_redis_view.c,
 * registry_redis_announce.c */
struct redis_view {
	size_t n;
	struct relay_info relays[RELAYS_MAX];
	struct redis_seen_relay seen[RELAYS_MAX];
	/* the one that is being read */
	bool reading;
	size_t n_new, n_asked;
	struct relay_info new_relays[RELAYS_MAX];
	struct redis_seen_relay new_seen[RELAYS_MAX];
	char asked[RELAYS_MAX][RELAY_ID_MAX + 1];
	size_t next_asked;
	/* ours */
	struct relay_info self; /* as it was announced last */
	struct route route;
	bool has_self, has_route;
	bool announced; /* since the registry was known to be whole */
	bool
	    refilling; /* it had lost everything, and we have not announced since */
	bool drain_wanted;     /* by the operator */
	bool stranger;	       /* another relay uses our id: said once */
	char refusal[REDIS_ANSWER_MAX]; /* of the announcement under way; "": none yet */
	bool refused; /* the last one was: it takes no writes, which was said */
	bool lapsed;  /* meanwhile the one before has expired */
	uint64_t agents;       /* ours, between two announcements */
	uint64_t sequence;     /* of our last message about our load */
	uint64_t acknowledged; /* the last one that Redis has had */
};

/* What the log has about an answer of Redis. registry_redis.c */
struct redis_complaint {
	uint64_t said_ms; /* loop clock; 0: never */
	char text[REDIS_ANSWER_MAX];
};

/* The stream of events. registry_redis_events.c */
struct redis_follower {
	struct redis_link *link;
	bool positioned;
	bool was_away; /* and whether it has missed anything is not known yet */
	char position[STREAM_ID_MAX]; /* of the last event that was seen */
	bool refused;		      /* Redis refuses to tell of events */
	struct timer overdue, rest;
};

/* What has happened and Redis has not taken yet. registry_redis_history.c */
struct redis_history {
	struct happening_list events; /* in order */
	size_t n_unsent, n_sent, bytes;
	bool refused; /* the last one was */
};

/* The sweep of what the dead have left. registry_redis_sweep.c */
struct redis_sweeper {
	struct timer timer;
	unsigned n_running;
};

struct redis_registry {
	struct registry registry;
	struct loop *loop;
	char id[RELAY_ID_MAX + 1];
	uint64_t lease_ms, quarantine_ms, announce_ms, usage_ms;
	struct port_set public_ports;
	bool open_mode;
	struct registry_answers answers;
	struct redis_link_log log; /* of all its links */
	struct redis_link *main;
	struct redis_lanes lanes;
	struct redis_view view;
	struct redis_follower follower;
	struct redis_sweeper sweeper;
	struct redis_history history;
	bool up, checking; /* told so; about to be */
	bool routes_read;  /* those that stood when we began */
	bool freeing;	   /* answers are not made any more */
	struct timer recheck; /* what was asked about being up was refused */
	struct redis_complaint complaints[REDIS_COMPLAINTS];
};

static inline struct redis_registry *
redis_registry_of(const struct registry *registry)
{
	return (struct redis_registry *)(void *)(uintptr_t)registry;
}

/* registry_redis.c */

/* Log that a reply was an error or made no sense: the same once a minute, and not what follows
 * from its taking no writes. */
void redis_complain(
    struct redis_registry *registry, const char *what, const redisReply *reply);
/* Does everything stand that being up depends on? */
bool redis_is_ready(const struct redis_registry *registry);
/* Something that being up depends on has changed. */
void redis_check_up(struct redis_registry *registry);
/* The database has forgotten us: tell the relay, which will write everything again. */
void redis_tell_lost(struct redis_registry *registry);

/* registry_redis_claim.c, registry_redis_hold.c */
int redis_claim_start(struct registry *registry, const struct claim *claim,
    registry_claim_cb cb, void *ctx);
int redis_hold_start(struct registry *registry, const struct holding *holding,
    registry_done_cb cb, void *ctx);
int redis_expire_start(struct registry *registry, const char *name,
    uint64_t epoch, registry_done_cb cb, void *ctx);

/* registry_redis_credentials.c */
int redis_enrol_start(struct registry *registry,
    const struct enrolment *enrolment, registry_enrol_cb cb, void *ctx);
int redis_rotate_start(struct registry *registry,
    const struct rotation *rotation, registry_done_cb cb, void *ctx);

/* registry_redis_routes.c */
/* Tell the relay of all routes, and then go on to redis_view_check(). */
void redis_routes_read(struct redis_registry *registry);
void redis_tell_route(
    struct redis_registry *registry, struct str key, struct str value);

/* registry_redis_view.c */
/* Read the view anew, unless that is under way. */
void redis_view_read(struct redis_registry *registry);

/* registry_redis_announce.c */
void redis_view_announce(struct registry *registry,
    const struct relay_info *self, const struct route *relay_route,
    const char *const *counter_names, const uint64_t *counter_values,
    size_t n_counters);
void redis_view_depart(
    struct registry *registry, registry_done_cb cb, void *ctx);
/* A session opened or closed at a relay. sequence 0: one more or less than before. */
void redis_view_session(struct redis_registry *registry, const char *relay,
    bool up, uint64_t agents, uint64_t sequence);
/* The main link is up: ask whether our announcement is still there. When that is refused, it
 * is asked again in a second. */
void redis_view_check(struct redis_registry *registry);
void redis_view_init(struct redis_registry *registry);
void redis_view_fini(struct redis_registry *registry);

/* registry_redis_events.c */
int redis_follower_init(
    struct redis_registry *registry, const struct redis_link_config *config);
void redis_follower_fini(struct redis_registry *registry);
/* Forget the position: the stream begins again after a loss. */
void redis_follower_restart(struct redis_registry *registry);
void redis_event_probe(struct registry *registry, const char *name,
    uint64_t epoch, const char *relay);
void redis_event_alive(
    struct registry *registry, const char *name, uint64_t epoch);

/* registry_redis_history.c */
bool redis_history_add(struct registry *registry, struct happening *event);
size_t redis_history_waiting(const struct registry *registry);
/* Send what waits. */
void redis_history_flush(struct redis_registry *registry);
void redis_history_init(struct redis_registry *registry);
/* When its links are gone. */
void redis_history_fini(struct redis_registry *registry);

/* registry_redis_sweep.c */
void redis_sweeper_init(struct redis_registry *registry);
void redis_sweeper_fini(struct redis_registry *registry);
/* Remove what a relay has left whose announcement is gone. */
void redis_sweep_relay(struct redis_registry *registry, const char *id);

/* registry_redis_count.c */
bool redis_count(struct registry *base, const char *name, uint32_t day,
    struct device_counters *delta, registry_count_cb cb, void *ctx);

/* registry_redis_usage.c */
int redis_usage_of(struct registry *base, const char *name, uint32_t from,
    uint32_t to, registry_usage_cb cb, void *ctx);

#endif
