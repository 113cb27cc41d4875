/* SPDX-License-Identifier: MIT */
/*
 * taupectl: one command, then it ends. A command checks its arguments, asks a store, which
 * answers in JSON, and shows that: as it is with --json, else as a table for people.
 * Functions that may fail return an exit code of sysexits and have said what is wrong.
 */
#ifndef TAUPE_CTL_CTL_H
#define TAUPE_CTL_CTL_H

#include <jansson.h>

#include "base/fleet_record.h"
#include "net/redis_access.h"

struct redis_sync;

struct ctl_options {
	struct redis_options registry;
	char *devices_file, *admin;
	bool json, now, core_dumps;
	char *label;
	struct option_list port;
	int64_t devices, expires_ms; /* 0: any number; never */
	char *pattern;
	char *limits[DEVICE_LIMITS];
	struct option_list words; /* the command */
};

struct ctl {
	struct ctl_options options;
	const struct store *store;
	struct redis_sync *redis;      /* once it was needed */
	char redis_where[REDIS_HOST_MAX + 32]; /* which one that is, for people */
};

/*
 * Where devices, relays and routes are looked up: Redis, or a stand-alone relay's devices
 * file and admin server. Lists are arrays that the store adds to; a JSON object that it
 * makes is the caller's. Field names are those of the registry (redis/KEYS.md) and of the
 * relay's /api/v1.
 */
struct store {
	int (*device_add)(struct ctl *ctl, const struct device_record *record);
	/* Its agent shall draw another secret. */
	int (*device_rotate)(struct ctl *ctl, const char *name);
	/* Another secret in place of the old one, and its session ends. */
	int (*device_set_secret)(struct ctl *ctl, const char *name,
	    const uint8_t secret_sha256[SECRET_HASH_LEN]);
	/* Its own limits: its session goes on with them. */
	int (*device_set_limits)(struct ctl *ctl, const char *name,
	    const struct limit_change changes[DEVICE_LIMITS]);
	int (*device_remove)(struct ctl *ctl, const char *name);
	int (*devices)(struct ctl *ctl, json_t *list);
	int (*device)(struct ctl *ctl, const char *name, json_t **device);
	int (*fleet_add)(struct ctl *ctl, const struct fleet_record *record);
	int (*fleet_remove)(struct ctl *ctl, const char *name);
	int (*fleets)(struct ctl *ctl, json_t *list);
	int (*relays)(struct ctl *ctl, json_t *list);
	/* Begin or end draining. */
	int (*relay_drain)(struct ctl *ctl, const char *id, bool drain);
	int (*routes)(struct ctl *ctl, json_t *list);
	int (*status)(struct ctl *ctl, json_t **status);
};

extern const struct store redis_store, file_store;
extern const struct option_table ctl_option_table;

int ctl_main(int argc, char **argv);

/* Say what is wrong; returns the code. */
int ctl_fail(int code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int ctl_fail_memory(void);
int ctl_fail_exists(const char *name);
int ctl_fail_fleet_exists(const char *name);
int ctl_fail_no_fleet(const char *name);
int ctl_fail_reserved(const char *what, const char *id, const char *owner);

/* The commands; name is the device's, or a relay's id. */
int command_device_add(struct ctl *ctl, const char *name);
int command_device_list(struct ctl *ctl, const char *name);
int command_device_show(struct ctl *ctl, const char *name);
int command_device_set(struct ctl *ctl, const char *name);
int command_device_rotate(struct ctl *ctl, const char *name);
int command_device_remove(struct ctl *ctl, const char *name);
int command_fleet_add(struct ctl *ctl, const char *name);
int command_fleet_list(struct ctl *ctl, const char *name);
int command_fleet_show(struct ctl *ctl, const char *name);
int command_fleet_remove(struct ctl *ctl, const char *name);
int command_relay_list(struct ctl *ctl, const char *name);
int command_relay_drain(struct ctl *ctl, const char *id);
int command_relay_undrain(struct ctl *ctl, const char *id);
int command_route_list(struct ctl *ctl, const char *name);
int command_status(struct ctl *ctl, const char *name);

/* A record's name, reserved label (or null), ports and limits, for a store's answer. */
json_t *ctl_record_json(const struct device_record *record);
/* Add what a session's agent says of its heartbeats: heartbeat_ms, beat_bytes and budget_bytes, each
 * only if it does; and idle_bytes_month, what they cost in 30 days, which is worked out here. */
void ctl_take_heartbeats(json_t *session, uint64_t heartbeat_ms,
    uint64_t beat_bytes, uint64_t budget_bytes);
/* The same of a fleet: name, pattern (or null), max, used, expires_ms, created_ms. */
json_t *ctl_fleet_json(const struct fleet_record *record);

#endif
