/* SPDX-License-Identifier: MIT */
/*
 * taupectl doctor: looks at everything that visitors and agents depend on, one check after the
 * other, each within a time, and says of each what was seen and what to do about it. It changes
 * nothing. For doctor*.c alone.
 */
#ifndef TAUPE_CTL_DOCTOR_H
#define TAUPE_CTL_DOCTOR_H

#include "admin/host_admin.h"
#include "base/hash_map.h"
#include "ctl/ctl.h"
#include "net/address.h"
#include "net/redis_sync.h"
#include "net/resolve.h"
#include "wire/host_name.h"

enum finding { FINDING_OK, FINDING_SKIPPED, FINDING_WARNING, FINDING_FAIL };
#define FINDINGS 4
#define DOCTOR_ERROR_MAX 400

/* A route of the registry, or an entry of HAProxy's maps. */
struct known_route {
	struct hash_node node;
	char *value; /* from malloc */
	char key[];  /* "http/host" */
};

struct doctor {
	const struct ctl_options *options;
	struct admin *admin;
	uint64_t timeout_ms;     /* of each wait */
	json_t *findings;
	uint64_t counts[FINDINGS];

	/* what the checks have learned */
	struct redis_sync *redis; /* NULL: it cannot be asked */
	unsigned redis_major;     /* its version */
	bool has_time;            /* it tells its clock */
	json_t *relays;           /* relay:ID each with its id, or a lone relay's status */
	struct hash_map routes;   /* of the registry: struct known_route */
	bool has_routes;
	char domain[HOST_NAME_MAX + 1]; /* "": not known */
	size_t n_front;
	struct address front[RESOLVE_MAX]; /* of names under the domain; port 0 */
};

/* The outcome of a check: what was seen, and unless that is fine what to do (NULL: nothing). Who is
 * asked for JSON gets it at the end. */
void doctor_note(struct doctor *doctor, enum finding finding, const char *check,
    const char *advice, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* doctor_redis.c, doctor_acl.c: Redis itself. Opens doctor->redis. */
void doctor_check_redis(struct doctor *doctor);
void doctor_check_acl(struct doctor *doctor);
/* NULL, and that is noted, when Redis gives no answer. An error is an answer. */
redisReply *doctor_ask(
    struct doctor *doctor, const char *check, const char *format, ...);
/* The same for the reply to a command that was queued. */
redisReply *doctor_fetch(struct doctor *doctor, const char *check);
/* Is it an error? Then that check is noted as skipped. */
bool doctor_is_refused(
    struct doctor *doctor, const char *check, const redisReply *reply);

/* doctor_registry.c: relays, leases, sessions, clocks and limits. Fills relays and routes. */
void doctor_check_registry(struct doctor *doctor);
/* doctor_alone.c: the same of a relay that stands alone. */
void doctor_check_alone(struct doctor *doctor);
/* What both say of a relay. */
void doctor_judge_limits(struct doctor *doctor, const char *id, uint64_t capacity,
    uint64_t files_limit, uint64_t listen_queue);
void doctor_judge_clock(
    struct doctor *doctor, const char *check, const char *whose, int64_t skew_ms);

/* doctor_names.c: DNS. Fills front. */
void doctor_check_names(struct doctor *doctor);
/* The addresses of a host, with that port. 0 with error filled: there are none. */
size_t doctor_resolve(struct doctor *doctor, const char *host, uint16_t port,
    struct address addresses[RESOLVE_MAX], char error[DOCTOR_ERROR_MAX]);

/* doctor_doors.c: ports, answers and certificates. */
void doctor_check_doors(struct doctor *doctor);

/* doctor_domains.c: custom domains, whose names and certificates are others' to keep. */
void doctor_check_domains(struct doctor *doctor, struct admin *admin);

/* A certificate that is to be trusted otherwise, by its end. */
void doctor_judge_expiry(struct doctor *doctor, const char *check,
    const char *name, int64_t expires_s);

/* doctor_haproxy.c, doctor_maps.c */
void doctor_check_haproxy(struct doctor *doctor);
void doctor_check_maps(struct doctor *doctor, const char *socket);

/* A map of routes: made, added to (what is there already stays, as in HAProxy's maps), found
 * (NULL: not there), emptied. -1: no memory. */
void known_routes_init(struct hash_map *map);
int known_routes_add(struct hash_map *map, struct str kind, struct str key, struct str value);
struct known_route *known_routes_find(const struct hash_map *map, const char *key);
void known_routes_fini(struct hash_map *map);

#endif
