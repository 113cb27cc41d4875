/* SPDX-License-Identifier: MIT */
/*
 * What operators do: devices, fleets, relays and routes are looked up, added, changed and
 * removed here, whoever asks: taupectl, or a relay's API. Nothing here prints, logs or ends
 * the process, so it works in any thread; one context belongs to one thread at a time. Calls
 * wait for Redis, for a file's lock or for a relay's answer: no event loop may make them.
 *
 * Functions that may fail return ADMIN_OK or another code, and the context's error says then
 * what is wrong, to people. From ADMIN_DOWN on the connection to Redis may be in the middle of
 * something: who goes on calls admin_fini() first.
 */
#ifndef TAUPE_ADMIN_ADMIN_H
#define TAUPE_ADMIN_ADMIN_H

#include <jansson.h>

#include "admin/event_json.h"
#include "base/fleet_record.h"
#include "base/token_record.h"
#include "base/traffic.h"
#include "net/redis_access.h"

#define ADMIN_ERROR_MAX 1024

enum admin_code {
	ADMIN_OK,
	ADMIN_UNKNOWN,    /* there is no such device, fleet or token */
	ADMIN_NO_RELAY,   /* no such relay is alive */
	ADMIN_TAKEN,      /* there is one already, or it is another's */
	ADMIN_INVALID,    /* what is asked for may not be */
	ADMIN_BAD_FILE,   /* what stands in a file may not be */
	ADMIN_NOT_GIVEN,  /* the context lacks the file or the relay that it takes */
	ADMIN_IMPOSSIBLE, /* not with this registry */
	ADMIN_UNPROVED,   /* the world does not show what it has to */
	ADMIN_BUSY,       /* others were faster, again and again */
	ADMIN_DOWN,       /* Redis or the relay does not answer as it should */
	ADMIN_REFUSED,    /* Redis or the relay does not allow it to this user */
	ADMIN_NONSENSE,   /* an answer that makes no sense */
	ADMIN_UNREADABLE, /* a file */
	ADMIN_UNWRITABLE,
	ADMIN_NO_MEMORY,
	ADMIN_CODES
};

struct name_index;
struct name_page;
struct redis_sync;
struct store;

/* What has happened, in order, each with its place as a member. */
struct event_page {
	json_t *events;		   /* the caller's array, which is added to */
	unsigned most;		   /* at once; 0: as many as the store likes */
	char end[EVENT_PLACE_MAX]; /* to go on behind */
	bool missed; /* what stood at the place that was asked for is gone, and perhaps more */
};

/* Where to work, and what came of it. The owner sets the first part, whose texts and options
 * must outlive the context. */
struct admin {
	const struct redis_options *registry; /* the timeout is for relays, too */
	const char *devices_file, *relay;     /* of a relay that stands alone, or NULL */
	const char *relay_token;	      /* of its API; NULL: none */
	const char *program;                  /* its name for Redis */
	const char *who, *from;               /* whose changes these are: for the audit */
	const char *domain; /* that devices' names are under; NULL: the relays tell it */
	/* In a relay that stands alone: who has the label that is about to be reserved, "" for nobody;
	 * NULL: it is asked, if it can be (relay). */
	const char *label_holder;

	const struct store *store;
	struct redis_sync *redis;              /* once it was needed */
	struct name_index *index;              /* once devices were listed in pages */
	char redis_where[REDIS_WHERE_MAX]; /* which one that is, for people */
	struct {
		enum admin_code code;
		char text[ADMIN_ERROR_MAX];
	} error; /* of the last call that failed */
};

/*
 * Where devices, relays and routes are looked up: Redis, or a stand-alone relay's devices
 * file and admin server. Lists are arrays that the store adds to; a JSON object that it
 * makes is the caller's. Field names are those of the registry (redis/KEYS.md) and of the
 * relay's /api/v1.
 */
/* What the rules and shares of a device are made into: *access is changed by access_put_rule() and
 * its like. A code: unless it is ADMIN_OK, nothing is written. May be called again. */
typedef int (*admin_access_edit)(
    struct admin *admin, struct access **access, void *ctx);

struct store {
	int (*device_add)(struct admin *admin, const struct device_record *record);
	/* Its agent shall draw another secret. */
	int (*device_rotate)(struct admin *admin, const char *name);
	/* Another secret in place of the old one, and its session ends. */
	int (*device_set_secret)(struct admin *admin, const char *name,
	    const uint8_t secret_sha256[SECRET_HASH_LEN]);
	/* Its own limits: its session goes on with them. */
	int (*device_set_limits)(struct admin *admin, const char *name,
	    const struct limit_change changes[DEVICE_LIMITS]);
	/* Who may visit its services; *access is the caller's to drop. */
	int (*device_access)(
	    struct admin *admin, const char *name, struct access **access);
	/* Change that, at once: its session goes on. */
	int (*device_change_access)(struct admin *admin, const char *name,
	    admin_access_edit edit, void *ctx);
	/* The URL of a service that has this rule, "https://cam.example.com/". */
	int (*service_url)(struct admin *admin, const char *name,
	    const struct access_rule *rule, char *url, size_t cap);
	/* The domain that devices' names are under. */
	int (*domain)(struct admin *admin, char domain[HOST_NAME_MAX + 1]);
	/* The relay that agents find under a host name; "": none. */
	int (*relay_of_host)(struct admin *admin, const char *host,
	    char relay[DEVICE_NAME_MAX + 1]);
	/* A further name of one of its services, which no other device has; of an alias, its
	 * label, too. */
	int (*host_add)(struct admin *admin, const char *name,
	    const struct device_host *host);
	/* Whose further name is that, and what is stored of it? */
	int (*host)(struct admin *admin, const char *host,
	    char name[DEVICE_NAME_MAX + 1], struct device_host *found);
	/* It has been proved: proof and proved_ms, unless another token is asked for meanwhile. */
	int (*host_prove)(struct admin *admin, const char *name,
	    const struct device_host *host);
	int (*host_remove)(struct admin *admin, const char *name,
	    const struct device_host *host);
	/* All of them, as admin_host_json(). */
	int (*hosts)(struct admin *admin, json_t *list);
	/* End its session: its agent may come again. */
	int (*device_kick)(struct admin *admin, const char *name);
	int (*device_remove)(struct admin *admin, const char *name);
	/* Those on a page, which is filled. What is searched for may also stand in a label that is
	 * reserved for the device, or be the whole label that it has. */
	int (*device_page)(
	    struct admin *admin, struct name_page *page, json_t *list);
	int (*devices)(struct admin *admin, json_t *list);
	int (*device)(struct admin *admin, const char *name, json_t **device);
	int (*fleet_add)(struct admin *admin, const struct fleet_record *record);
	int (*fleet_remove)(struct admin *admin, const char *name);
	int (*fleets)(struct admin *admin, json_t *list);
	int (*token_add)(struct admin *admin, const struct token_record *record);
	int (*token_remove)(struct admin *admin, const char *name);
	int (*token)(struct admin *admin, const char *name, struct token_record *record);
	int (*tokens)(struct admin *admin, json_t *list);
	int (*relays)(struct admin *admin, json_t *list);
	/* Those that have gone without a goodbye in the last hour, and are not back: {id, at_ms}. */
	int (*gone)(struct admin *admin, json_t *list);
	int (*device_count)(struct admin *admin, uint64_t *count);
	/* Begin or end draining. */
	int (*relay_drain)(struct admin *admin, const char *id, bool drain);
	int (*routes)(struct admin *admin, json_t *list);
	/* What a device has used, or all that there are (name NULL), from one day to another, both
	 * included (base/utc_day.h; from <= to): for each day that has any, by device and then by
	 * day, {"device": "alice", "day": "2026-11-27", "visitors": 3, "bytes_in": 1200,
	 * "bytes_out": 99000}. */
	int (*usage)(struct admin *admin, const char *name, uint32_t from,
	    uint32_t to, json_t *list);
	/* A device's bytes of the hour that ends with this minute since 1970, the oldest first; a relay that
	 * stands alone says itself which minute that is. */
	int (*traffic)(struct admin *admin, const char *name, uint64_t minute,
	    struct traffic_minute out[TRAFFIC_MINUTES]);
	int (*status)(struct admin *admin, json_t **status);
	/* Tell who follows the events of a change that was tried, and what came of it. Who changes
	 * something is not kept from it by who looks: a code that says no is to be told, and no more. */
	int (*audit)(struct admin *admin, const char *what, const char *object, int code);
	/* The next events behind a place (event_json.h; "0": the beginning; NULL: the end, of which
	 * nothing is told yet). Without any, wait for so long at most, or shorter. */
	int (*events)(struct admin *admin, const char *after, uint64_t wait_ms,
	    struct event_page *page);
};

/* Choose the store: Redis if the options name one, else the file and the relay. */
void admin_init(struct admin *admin, const struct redis_options *registry,
    const char *program);
/* Leave Redis. The context can be used again: the next call connects anew. */
void admin_fini(struct admin *admin);

/* Leave a Redis that does not answer any more: the next call looks for it anew. For who keeps a
 * context for long. */
void admin_prove(struct admin *admin);

/* "done", or in a word why not. */
const char *admin_outcome(int code);

#endif
