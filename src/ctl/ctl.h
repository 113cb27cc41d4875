/* SPDX-License-Identifier: MIT */
/*
 * taupectl: one command, then it ends. A command checks its arguments, asks a store, which
 * answers in JSON, and shows that: as it is with --json, else as a table for people.
 * Functions that may fail return an exit code of sysexits and have said what is wrong.
 */
#ifndef TAUPE_CTL_CTL_H
#define TAUPE_CTL_CTL_H

#include <jansson.h>

#include "base/device_record.h"
#include "base/options.h"

struct redis_sync;

struct ctl_options {
	char *redis, *redis_user, *redis_password_file;
	int64_t redis_database, redis_timeout_ms;
	char *devices_file, *admin;
	bool json, now;
	char *label;
	struct option_list port;
	char *limits[DEVICE_LIMITS];
	struct option_list words; /* the command */
};

struct ctl {
	struct ctl_options options;
	const struct store *store;
	struct redis_sync *redis; /* once it was needed */
};

/*
 * Where devices, relays and routes are looked up: Redis, or a stand-alone relay's devices
 * file and admin server. Lists are arrays that the store adds to; a JSON object that it
 * makes is the caller's. Field names are those of the registry (redis/KEYS.md) and of the
 * relay's /api/v1.
 */
struct store {
	int (*device_add)(struct ctl *ctl, const struct device_record *record);
	/* Another secret in place of the old one, and its session ends. */
	int (*device_set_secret)(struct ctl *ctl, const char *name,
	    const uint8_t secret_sha256[SECRET_HASH_LEN]);
	/* Its own limits: its session goes on with them. */
	int (*device_set_limits)(struct ctl *ctl, const char *name,
	    const struct limit_change changes[DEVICE_LIMITS]);
	int (*device_remove)(struct ctl *ctl, const char *name);
	int (*devices)(struct ctl *ctl, json_t *list);
	int (*device)(struct ctl *ctl, const char *name, json_t **device);
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
int ctl_fail_reserved(const char *what, const char *id, const char *owner);

/* The commands; name is the device's, or a relay's id. */
int command_device_add(struct ctl *ctl, const char *name);
int command_device_list(struct ctl *ctl, const char *name);
int command_device_show(struct ctl *ctl, const char *name);
int command_device_set(struct ctl *ctl, const char *name);
int command_device_rotate(struct ctl *ctl, const char *name);
int command_device_remove(struct ctl *ctl, const char *name);
int command_relay_list(struct ctl *ctl, const char *name);
int command_relay_drain(struct ctl *ctl, const char *id);
int command_relay_undrain(struct ctl *ctl, const char *id);
int command_route_list(struct ctl *ctl, const char *name);
int command_status(struct ctl *ctl, const char *name);

/* A record's name, reserved label (or null), ports and limits, for a store's answer. */
json_t *ctl_record_json(const struct device_record *record);

#endif
