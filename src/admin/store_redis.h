/* SPDX-License-Identifier: MIT */
/* What the files of the Redis store share; for store_redis*.c alone. */
#ifndef TAUPE_ADMIN_STORE_REDIS_H
#define TAUPE_ADMIN_STORE_REDIS_H

#include "admin/admin_internal.h"
#include "net/redis_sync.h"

#define REDIS_BATCH 200 /* of commands that are sent at once */

/* Connect, if that was not done yet. Returns a code. */
int store_open(struct admin *admin);
/* Ask. NULL: no answer, or an error, which was said; *code is the code then. */
redisReply *store_ask(struct admin *admin, int *code, const char *format, ...);
/* Fetch the reply to a command that was queued; as store_ask(). */
redisReply *store_next(struct admin *admin, int *code);
/* Send a command that answers nothing of interest. Returns a code. */
int store_tell(struct admin *admin, const char *format, ...);
/* EXEC: STORE_CONFLICT, in place of a code, when what was watched has changed. */
#define STORE_CONFLICT (-1)
int store_execute(struct admin *admin);
/* Connect, and do what ends with store_execute(), again as long as others are faster. Returns
 * its code. */
typedef int (*store_attempt)(struct admin *admin, const char *name, const void *what);
int store_transact(struct admin *admin, store_attempt attempt, const char *name,
    const void *what);
/* A hash as 64 digits, a C string. */
void redis_write_hash(
    const uint8_t sha256[SECRET_HASH_LEN], char hash[2 * SECRET_HASH_LEN + 1]);
/* An answer of another type than was asked for. Returns a code. */
int store_fail_nonsense(struct admin *admin, const char *what);

/* Forget what WATCH was told; how that ends does not matter. */
void store_unwatch(struct admin *admin);

/* Hashes KIND:NAME, whose names are in the set KINDs: fleets and tokens. Both are the beginning of a
 * store_attempt. */
/* *exists stays true until EXEC, or that fails. Returns a code; nothing is watched if it is one. */
int store_watch_named(
    struct admin *admin, const char *kind, const char *name, bool *exists);
/* Take it away, if it is there: *exists. Returns store_execute()'s code. */
int store_remove_named(
    struct admin *admin, const char *kind, const char *name, bool *exists);

/* A string; absent for nil and other types. */
struct str redis_text(const redisReply *reply);
/* An array of names, sorted, each once, that are names indeed, as JSON strings. Takes the
 * reply. */
json_t *redis_names(redisReply *reply);
/* A hash as JSON strings, a form-encoded text too; null for nil and what is no such
 * thing. */
json_t *redis_hash_json(const redisReply *reply);
json_t *redis_form_json(struct str text);
/* "ssh:20022,db:20023" as an object. */
json_t *redis_ports_json(const char *text);
/* A member of an object of strings as a number; 0 when it is none. */
uint64_t redis_number(const json_t *object, const char *key);

/* store_redis_read.c: add the devices of these names to a list; the relay of relay:ID, or null. */
int redis_devices_named(struct admin *admin, const json_t *names, json_t *list);
json_t *redis_relay_json(const char *id, const redisReply *hash);

/* What is reserved for a device: in taupe:reserved it is WHAT/ID, and WHAT:ID says who has it. */
struct reservation {
	const char *what; /* "label", "port", "host" */
	char id[HOST_NAME_MAX + 1];
	char holder[DEVICE_NAME_MAX + 1]; /* who has it now; "": nobody */
	bool rests; /* that is another device, whose lease has ended */
};

/* Can it be reserved for this device? What is reserved for another one or leased to it cannot. What and id are the
 * caller's; the rest is filled, and stays true until EXEC, or that fails. */
int store_check_free(
    struct admin *admin, const char *name, struct reservation *wanted);
/* Queue that it is, with what has a lease that is granted meanwhile look again. */
int store_queue_reserve(struct admin *admin, const char *name,
    const struct reservation *wanted);

/* A device that is there stays there until EXEC, or that fails. */
int store_watch_known(struct admin *admin, const char *name);
/* Queue the event by which its relay looks at the device, and cuts what is not in order. */
int store_tell_device(struct admin *admin, const char *name);
/* Take the rules and shares of HGETALL device:NAME. False: they make no sense. */
bool redis_access_read(const redisReply *reply, struct device_record *record);

int redis_device_access(
    struct admin *admin, const char *name, struct access **access);
int redis_device_change_access(struct admin *admin, const char *name,
    admin_access_edit edit, void *ctx);
int redis_service_url(struct admin *admin, const char *name,
    const struct access_rule *rule, char *url, size_t cap);
int redis_domain(struct admin *admin, char domain[HOST_NAME_MAX + 1]);
int redis_relay_of_host(
    struct admin *admin, const char *host, char relay[DEVICE_NAME_MAX + 1]);
int redis_host_add(struct admin *admin, const char *name,
    const struct device_host *host);
int redis_host(struct admin *admin, const char *host,
    char name[DEVICE_NAME_MAX + 1], struct device_host *found);
int redis_host_prove(struct admin *admin, const char *name,
    const struct device_host *host);
int redis_host_remove(struct admin *admin, const char *name,
    const struct device_host *host);
int redis_hosts(struct admin *admin, json_t *list);
/* Those in HGETALL device:NAME. */
json_t *redis_hosts_json(const redisReply *record);
int redis_device_add(struct admin *admin, const struct device_record *record);
int redis_device_rotate(struct admin *admin, const char *name);
int redis_fleet_add(struct admin *admin, const struct fleet_record *record);
int redis_fleet_remove(struct admin *admin, const char *name);
int redis_fleets(struct admin *admin, json_t *list);
int redis_device_set_secret(struct admin *admin, const char *name,
    const uint8_t secret_sha256[SECRET_HASH_LEN]);
int redis_device_set_limits(struct admin *admin, const char *name,
    const struct limit_change changes[DEVICE_LIMITS]);
int redis_device_remove(struct admin *admin, const char *name);
int redis_device_kick(struct admin *admin, const char *name);
int redis_device_page(struct admin *admin, struct name_page *page, json_t *list);
int redis_token_add(struct admin *admin, const struct token_record *record);
int redis_token_remove(struct admin *admin, const char *name);
int redis_token(struct admin *admin, const char *name, struct token_record *record);
int redis_tokens(struct admin *admin, json_t *list);
int redis_audit(struct admin *admin, const char *what, const char *object, int code);
int redis_devices(struct admin *admin, json_t *list);
int redis_device(struct admin *admin, const char *name, json_t **device);
int redis_relays(struct admin *admin, json_t *list);
int redis_gone(struct admin *admin, json_t *list);
int redis_device_count(struct admin *admin, uint64_t *count);
int redis_relay_drain(struct admin *admin, const char *id, bool drain);
int redis_routes(struct admin *admin, json_t *list);
int redis_traffic(struct admin *admin, const char *name, uint64_t minute,
    struct traffic_minute out[TRAFFIC_MINUTES]);
int redis_usage(struct admin *admin, const char *name, uint32_t from, uint32_t to,
    json_t *list);
int redis_status(struct admin *admin, json_t **status);
int redis_events(struct admin *admin, const char *after, uint64_t wait_ms,
    struct event_page *page);

#endif
