/* SPDX-License-Identifier: MIT */
/*
 * What stands in Redis, read and written: sessions, leases, routes and their events. Every
 * reader takes any reply and says false to one that makes no sense.
 */
#ifndef TAUPE_REGISTRY_REGISTRY_REDIS_RECORDS_H
#define TAUPE_REGISTRY_REGISTRY_REDIS_RECORDS_H

#include "registry/registry_redis.h"

struct redis_lease {
	bool exists;
	struct lease lease;
	uint64_t epoch; /* of the last session */
};

/* A string (or status); false for any other type. */
bool redis_reply_text(const redisReply *reply, struct str *text);
bool redis_reply_is_status(const redisReply *reply, const char *text);
bool redis_reply_is_array(const redisReply *reply, size_t elements);

/* GET session:NAME; *exists is false for nil. */
bool redis_session_read(
    const redisReply *reply, struct session_info *session, bool *exists);
/* HGETALL lease:NAME */
bool redis_lease_read(const redisReply *reply, struct redis_lease *lease);
/* HGETALL device:NAME; *exists is false for an empty one. True: *record, which was nothing before,
 * ends with device_record_drop(). */
bool redis_device_read(const redisReply *reply, const char *name,
    struct device_record *record, bool *exists);

/* HGETALL fleet:NAME; the same. */
bool redis_fleet_read(const redisReply *reply, const char *name,
    struct fleet_record *record, bool *exists);

/* Queue what a lease and its label and ports are from now on; what the old lease (NULL:
 * none) had and the new one has not is released. */
void redis_queue_lease(struct redis_tx *tx, const char *name,
    const struct redis_lease *old, const struct lease *lease,
    const struct session_info *session, uint64_t ttl_ms);
/* The label rests from now on. */
void redis_queue_rest(struct redis_tx *tx, const char *label);
void redis_queue_session(
    struct redis_tx *tx, const char *name, const struct session_info *session);
/* The event of a session; ours tells how many agents we have. */
void redis_queue_session_event(struct redis_tx *tx, const char *name,
    const struct session_info *session, bool up);
/* Write a route, or its removal, and the event. */
void redis_queue_route(
    struct redis_tx *tx, const struct route *route, uint64_t epoch);
void redis_queue_no_route(struct redis_tx *tx, const char *key);

/* Is this what HGET routes KEY answers for the route, of any epoch? */
bool redis_route_is(const redisReply *reply, const struct route *route);

#endif
