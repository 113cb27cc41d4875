/* SPDX-License-Identifier: MIT */
/*
 * Where leases, sessions, relays and routes live. Two implementations, memory and
 * Redis, behind one interface; nobody else asks which one it is.
 *
 * Every answer comes by callback, from the loop and never from inside the call, so that
 * both behave alike. Requests are copied, but for a grant, which may be kept. Every write
 * about a session carries its epoch: one that is older than what the registry holds changes
 * nothing (fencing).
 */
#ifndef TAUPE_REGISTRY_REGISTRY_H
#define TAUPE_REGISTRY_REGISTRY_H

#include "base/traffic.h"
#include "base/fleet_record.h"
#include "net/address.h"
#include "net/loop.h"
#include "net/route.h"

#define RELAY_ID_MAX 32
#define ROUTE_KEY_MAX 264  /* "http/" and a host name */
#define ROUTE_VALUE_MAX 64 /* "192.0.2.1,30001" */
#define RELAYS_MAX 64
#define HISTORY_PLACE_MAX 48 /* "1764567890123-17" */
#define HISTORY_PAGE 100     /* events that recall() tells of at once, at most */

struct happening;
struct grant;
struct registry;

enum registry_status {
	REGISTRY_OK,
	REGISTRY_NOT_FOUND, /* no such device */
	REGISTRY_HELD,	    /* another session holds the name */
	REGISTRY_STALE, /* our epoch is not the current one: the write was fenced off */
	REGISTRY_EXHAUSTED, /* no public port is free, or a reserved one is taken */
	REGISTRY_UNREADABLE, /* the device's record makes no sense */
	REGISTRY_UNAVAILABLE /* it does not answer: what was done, if anything, is not known */
};

/* A route: "http/HOST", "sni/HOST", "tcp/PORT" or "relay/HOST" → "ip,port", and who may come there
 * (net/route.h); or what is said of a list or a share link: "allow/…", "revoked/ID". */
struct route {
	char key[ROUTE_KEY_MAX];
	char value[ROUTE_VALUE_MAX];
	char access[ROUTE_ACCESS_TEXT_MAX]; /* "MODE,KEY,…"; "": anybody */
	bool is_further; /* by a further name: written unless that is reserved for another device */
};

/* A device's hold on its label and public ports. */
struct lease {
	char label[LABEL_MAX + 1];
	size_t n_ports;
	struct service_port ports[SERVICES_MAX]; /* of tcp services */
	uint64_t
	    epoch; /* of the session that it was granted to, in a grant and in a
	                   signed lease */
};

/* One connected control channel, as all relays see it. */
#define DOWN_TEXT_MAX 200 /* characters of the names of services that are down */

struct session_info {
	uint64_t epoch;
	uint64_t since_ms; /* wall clock */
	/* what the agent says of its heartbeats, each 0 when it does not: what they cost on the
	 * wire, and what its link may cost in 30 days */
	uint32_t heartbeat_ms, beat_bytes;
	uint64_t budget_bytes;
	char relay[RELAY_ID_MAX + 1];
	char instance[INSTANCE_MAX + 1];
	char from[ADDRESS_TEXT_MAX]; /* the agent's address */
	char down[DOWN_TEXT_MAX + 1]; /* "web,ssh": as the agent says */
};

/* What an agent says about its transfer channels: no business of the registry's. */
struct channel_terms {
	uint32_t window; /* bytes of a visit on a shared one that it takes */
	uint16_t visits; /* on a shared one at once; 0: it cannot share */
	uint16_t warm;	 /* idle ones that it wants kept */
	bool ride; /* it has none: visits ride on the control channel, as on a shared one */
};

struct claim {
	char name[DEVICE_NAME_MAX + 1];
	char instance[INSTANCE_MAX + 1];
	char from[ADDRESS_TEXT_MAX];
	struct channel_terms channels;
	size_t n_services;
	struct {
		char name[SERVICE_NAME_MAX + 1];
		enum service_kind kind;
	} services[SERVICES_MAX];
	struct device_record device; /* its reserved label and ports */
	bool
	    has_signed_lease; /* verified by the caller; honoured where nothing says
	                                otherwise */
	struct lease signed_lease;
	uint64_t
	    over_epoch; /* take over from the session of this epoch: it was probed and
	                        is dead; 0: only from one of the same instance */
};

struct claim_result {
	enum registry_status status;
	struct session_info session; /* OK: ours; HELD: the holder's */
	struct lease lease;	     /* OK */
	bool new_label;		     /* OK: the label was drawn now */
	bool new_lease; /* OK: the label or a port is not of the lease that stood */
};

/* What a relay tells of itself for whoever looks after it (taupectl doctor, taupectl top). */
struct relay_facts {
	const char *domain, *version;
	const char *public_scheme; /* of visitors' http: "http", "https" */
	uint64_t public_http_port; /* 0: the scheme's own */
	char public_ports[16]; /* the lowest and the highest, "20000-20999"; or "" */
	uint64_t files_limit;  /* descriptors that it may have; 0: not known */
	uint64_t listen_queue; /* connections that wait to be accepted; 0: not known */
	uint64_t memory_bytes; /* that the process has in use; 0: not known */
	uint64_t busiest_ms;   /* the time that busiest is about */
	const char *busiest;   /* busiest_text() */
};

struct relay_info {
	char id[RELAY_ID_MAX + 1];
	char url[256]; /* base URL for agents, "wss://r1.example.com" */
	char address[ADDRESS_TEXT_MAX]; /* of its agent listener, "ip:port" */
	uint64_t agents;
	uint64_t visitors;
	uint32_t weight;   /* > 0 */
	uint64_t capacity; /* most agents it takes */
	bool draining;
	bool overdue;	   /* its last announcement is: send nobody there */
	uint64_t since_ms; /* wall clock of its start */
	/* only of the relay that announces itself, as long as there is the registry; may be NULL */
	const struct relay_facts *facts;
};

enum registry_event_type {
	REGISTRY_UP, /* it answers (again): lost says whether it may have forgotten everything,
	              * doubtful whether it may lack some of what was written */
	REGISTRY_DOWN,
	REGISTRY_SESSION, /* a session opened (up) or closed at some relay, this one too; one
	                       that is taken over closes in the registry before its relay
	                       knows */
	REGISTRY_PROBE,	 /* is your session of this name and epoch alive? */
	REGISTRY_ALIVE,	 /* the answer to a probe: it is */
	REGISTRY_DEVICE, /* the operator changed or removed the device */
	REGISTRY_MISSED, /* the same of any device may have been missed */
	REGISTRY_KICK,	 /* the operator ends the session of this name and epoch */
	REGISTRY_DRAIN, /* the operator wants this relay to drain (up), or no longer */
	REGISTRY_LEASE_SWEPT, /* a lease has ended that no relay had any more; here it was swept */
	REGISTRY_RELAY_SWEPT, /* the same of a relay that has not said goodbye */
	REGISTRY_RELAYS, /* the view of the relays was refreshed */
	REGISTRY_ROUTE /* before the first REGISTRY_UP: one that stands in the registry;
			    and each that was changed */
};

struct registry_event {
	enum registry_event_type type;
	bool up;	     /* REGISTRY_SESSION, REGISTRY_DRAIN */
	bool lost, doubtful; /* REGISTRY_UP */
	char name[DEVICE_NAME_MAX + 1];
	char relay[RELAY_ID_MAX + 1];
	uint64_t epoch;
	/* REGISTRY_ROUTE, for the time of the call: "ip,port,epoch" and what may follow, empty: it
	 * was removed */
	struct str key, value;
};

typedef void (*registry_event_cb)(
    void *ctx, const struct registry_event *event);
typedef void (*registry_device_cb)(
    void *ctx, enum registry_status status, const struct device_record *record);
typedef void (*registry_claim_cb)(void *ctx, const struct claim_result *result);
typedef void (*registry_done_cb)(void *ctx, enum registry_status status);
/* route, whose key is not set: NULL unless OK. */
typedef void (*registry_route_cb)(
    void *ctx, enum registry_status status, const struct route *route);

/* session: NULL unless OK. */
typedef void (*registry_session_cb)(void *ctx, enum registry_status status,
    const struct session_info *session);

/* A device that has a fleet's key, and no record yet. */
struct enrolment {
	char name[DEVICE_NAME_MAX + 1];
	char fleet[DEVICE_NAME_MAX + 1];
	char from[ADDRESS_TEXT_MAX]; /* the agent's address */
	uint8_t key_sha256[SECRET_HASH_LEN];
	uint8_t secret_sha256[SECRET_HASH_LEN]; /* of its own secret */
	/* would it be? Nothing is written, and whether its name is taken need not be known */
	bool look_only;
};

enum enrolment_verdict {
	ENROLMENT_NEW,	 /* it has a record now, or would have one */
	ENROLMENT_KNOWN, /* it had that very record already */
	ENROLMENT_BAD_KEY,
	ENROLMENT_EXPIRED,
	ENROLMENT_FULL,
	ENROLMENT_NAME_REFUSED, /* it does not fit the fleet's pattern */
	ENROLMENT_NAME_TAKEN,	/* by a device with another secret */
	ENROLMENT_UNAVAILABLE
};

/* record: of the device; NULL unless NEW or KNOWN. */
typedef void (*registry_enrol_cb)(void *ctx, enum enrolment_verdict verdict,
    const struct device_record *record);

/* A device that has drawn another secret, or says why it cannot. */
struct rotation {
	char name[DEVICE_NAME_MAX + 1];
	uint8_t old_sha256[SECRET_HASH_LEN]; /* which its session came with */
	uint8_t new_sha256[SECRET_HASH_LEN];
	char error[ROTATION_TEXT_MAX + 1]; /* "": there is a new one */
};

/* place: where it stands; all for the time of the call. */
typedef void (*registry_recall_cb)(
    void *ctx, const char *place, const struct happening *event);

/* What a relay holds of a device, for renewing and for filling an empty registry. */
struct holding {
	char name[DEVICE_NAME_MAX + 1];
	struct grant *grant; /* the lease, and its last session: may be kept */
	bool connected;
	/* the session was claimed a moment ago: what the claim wrote need not be written again
	 * where it stands */
	bool claimed;
	uint64_t remaining_ms; /* of the lease, when not connected */
	const struct route *routes;
	size_t n_routes;
};

struct device_counters {
	uint64_t visitors, bytes_in, bytes_out;
};

/* refused: what was not added, and will not be; the rest was, unless the registry went away before
 * it said so: that is lost rather than added twice. */
typedef void (*registry_count_cb)(
    void *ctx, const struct device_counters *refused);

/* Bytes, in and out, of the days before the last one, and of that. 0 unless OK. */
typedef void (*registry_usage_cb)(
    void *ctx, enum registry_status status, uint64_t before, uint64_t last);

/* Functions that return int answer 0, or -1 when there is no memory: no callback then. */
struct registry_ops {
	/* What was not answered yet never will be. */
	void (*free)(struct registry *registry);

	/* The device of that name: OK, NOT_FOUND, UNREADABLE or UNAVAILABLE. */
	int (*device_get)(struct registry *registry, const char *name,
	    registry_device_cb cb, void *ctx);
	/* Make a record of a device that has the key of a fleet. */
	int (*enrol)(struct registry *registry,
	    const struct enrolment *enrolment, registry_enrol_cb cb, void *ctx);
	/* Fulfil the operator's wish for another secret, or write down why that cannot be. OK, also
	 * when that was done before; NOT_FOUND; STALE: it is not asked for, or the secret is
	 * neither of the two; UNAVAILABLE. No event: only its own session would be concerned. */
	int (*rotate)(struct registry *registry,
	    const struct rotation *rotation, registry_done_cb cb, void *ctx);
	/* Open a session: an epoch, the label, the public ports. See struct claim. */
	int (*claim)(struct registry *registry, const struct claim *claim,
	    registry_claim_cb cb, void *ctx);
	/* Write what the relay holds: session (if connected), lease, ports with their time
	 * to live, and exactly these routes, in one fenced transaction, with an event per
	 * changed route. For publishing after a claim, renewing at half-life, disconnecting
	 * (connected false: the lease gets remaining_ms, the session ends) and filling an
	 * empty registry. Quiet (no events, only times to live) when nothing has changed.
	 * STALE: a newer session exists; EXHAUSTED: the label or a port was meanwhile
	 * granted to another device (a registry that was lost), nothing was written; OK;
	 * UNAVAILABLE. */
	int (*hold)(struct registry *registry, const struct holding *holding,
	    registry_done_cb cb, void *ctx);
	/* The lease has ended at its holder: remove its routes, free its ports, put the label
	 * into quarantine. Fenced by the epoch: STALE; OK, also when it is gone already. */
	int (*expire)(struct registry *registry, const char *name,
	    uint64_t epoch, registry_done_cb cb, void *ctx);
	/* Where a route leads now: OK, NOT_FOUND or UNAVAILABLE. */
	int (*route_get)(struct registry *registry, const char *key,
	    registry_route_cb cb, void *ctx);
	/* Who has the device's session now, another relay: OK, NOT_FOUND or UNAVAILABLE. */
	int (*session_get)(struct registry *registry, const char *name,
	    registry_session_cb cb, void *ctx);
	/* Ask the relay that holds a session whether it lives; REGISTRY_ALIVE is the answer. */
	void (*probe)(struct registry *registry, const char *name,
	    uint64_t epoch, const char *relay);
	void (*alive)(
	    struct registry *registry, const char *name, uint64_t epoch);
	/* Announce this relay and its counters; called each second. */
	void (*announce)(struct registry *registry,
	    const struct relay_info *self, const struct route *relay_route,
	    const char *const *counter_names, const uint64_t *counter_values,
	    size_t n_counters);
	/* Clean stop: this relay is gone now. */
	void (*depart)(
	    struct registry *registry, registry_done_cb cb, void *ctx);
	/* Add to a device's counters, to those of the day (see utc_day.h) and to its last hour, and take off *delta
	 * what was added or is on its way. True: cb tells what becomes of that; false: there is
	 * nothing to wait for. */
	bool (*count)(struct registry *registry, const char *name, uint32_t day,
	    struct device_counters *delta, registry_count_cb cb, void *ctx);
	/* What a device has used on the days from ... to, which are a month's, as far as it was added: that of
	 * every count() before this call is in it, unless it is refused. OK or UNAVAILABLE. NULL:
	 * nobody has it but who counts. */
	int (*usage)(struct registry *registry, const char *name, uint32_t from,
	    uint32_t to, registry_usage_cb cb, void *ctx);
	/* Keep what has happened, which is the registry's from now on: for ever if it can, and the
	 * latest of it in memory. False: there is no room, and it is gone. */
	bool (*happened)(struct registry *registry, struct happening *event);
	/* How many of those are not kept yet. */
	size_t (*untold)(const struct registry *registry);
	/* Tell what it keeps of that in memory behind a place, the oldest first and 100 at most, from inside the
	 * call (NULL: nothing), and the place of the end of that. True: what stood at the place is kept no
	 * more. NULL: others have it. */
	bool (*recall)(struct registry *registry, const char *after,
	    char end[HISTORY_PLACE_MAX], registry_recall_cb cb, void *ctx);
	/* The cached view of all relays, this one included. */
	size_t (*relays)(
	    struct registry *registry, const struct relay_info **out);
	bool (*is_up)(const struct registry *registry);
	/* What keeps it from its work, for the operator; NULL: nothing. One that refuses writes is
	 * up, and in trouble. */
	const char *(*trouble)(const struct registry *registry);
	/* What it keeps in memory of a device's bytes in the hour that ends with this minute
	 * (registry_memory_traffic.h). NULL: others have it. */
	void (*traffic)(const struct registry *registry, const char *name,
	    uint64_t minute, struct traffic_minute out[TRAFFIC_MINUTES]);
	/* How many devices and fleets the operator has made, as far as is known at start: for
	 * refusing to listen beyond loopback without any. -1: not known. */
	long (*device_count)(struct registry *registry);
};

/* Both implementations embed this as their first member. */
struct registry {
	const struct registry_ops *ops;
	registry_event_cb event_cb;
	void *event_ctx;
};

/* Public ports: the numbers that tcp services get. */
struct port_set;

struct registry_settings {
	const char *relay_id;
	uint64_t lease_ms;	/* of a lease after its device's disconnect */
	uint64_t quarantine_ms; /* of a label after its lease */
	uint64_t announce_ms;	/* between announcements */
	uint64_t usage_ms; /* that a day's counters are kept */
	const struct port_set *public_ports;
	bool open_mode; /* any device name, any secret (loopback demo only) */
};

/* devices_file may be NULL. It is read again when it has changed, at device_get() and
 * announce(). NULL: no memory, or the file is wrong, which was logged. */
struct registry *registry_memory_new(struct loop *loop,
    const struct registry_settings *settings, const char *devices_file,
    registry_event_cb cb, void *ctx);

struct redis_link_config;
struct registry *registry_redis_new(struct loop *loop,
    const struct registry_settings *settings,
    const struct redis_link_config *redis, registry_event_cb cb, void *ctx);

void registry_free(struct registry **registry);

#endif
