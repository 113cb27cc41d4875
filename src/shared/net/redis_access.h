/* SPDX-License-Identifier: MIT */
/*
 * The options with which every program finds its registry, and what is made of them: the
 * configuration of a link, and of the Sentinels if there are any.
 */
#ifndef TAUPE_NET_REDIS_ACCESS_H
#define TAUPE_NET_REDIS_ACCESS_H

#include "base/options.h"
#include "net/redis_link.h"
#include "net/redis_sentinel.h"

#define REDIS_ACCESS_ERROR_MAX 640
#define REDIS_WHERE_MAX (REDIS_HOST_MAX + 32)

struct redis_sync;

struct redis_options {
	char *redis, *redis_user, *redis_password_file;
	int64_t redis_database, redis_timeout_ms;
	struct option_list redis_sentinel;
	char *redis_master_name, *redis_sentinel_user,
	    *redis_sentinel_password_file;
};

/* Rows of an option table. AT is offsetof() a member of the program's struct, whose
 * struct redis_options is at. */
#define REDIS_OPTION_ROWS(AT, at, redis_default, redis_help, timeout_default, timeout_help)     \
	{"redis", OPTION_STRING, AT(at.redis), redis_default, 1, 255, NULL,                     \
	    redis_endpoint_check, "HOST:PORT|SOCKET", redis_help},                              \
	{"redis_user", OPTION_STRING, AT(at.redis_user), NULL, 1, 255, NULL, NULL, "NAME",      \
	    "User for AUTH."},                                                                  \
	{"redis_password_file", OPTION_STRING, AT(at.redis_password_file), NULL, 1, 4095,       \
	    NULL, NULL, "FILE", "File with the password for AUTH, in its first line."},         \
	{"redis_database", OPTION_INT, AT(at.redis_database), "0", 0, 1000000, NULL, NULL,      \
	    "NUMBER", "Database to SELECT."},                                                   \
	{"redis_timeout", OPTION_DURATION, AT(at.redis_timeout_ms), timeout_default, 50, 60000, \
	    NULL, NULL, "TIME", timeout_help},                                                  \
	{"redis_sentinel", OPTION_LIST, AT(at.redis_sentinel), NULL, 1, 255, NULL,              \
	    redis_sentinel_check, "HOST:PORT",                                                  \
	    "A Redis Sentinel that knows where the primary is; it is asked in place of "        \
	    "redis."},                                                                          \
	{"redis_master_name", OPTION_STRING, AT(at.redis_master_name), "mymaster", 1, 255,      \
	    NULL, NULL, "NAME", "What the Sentinels call the registry."},                       \
	{"redis_sentinel_user", OPTION_STRING, AT(at.redis_sentinel_user), NULL, 1, 255, NULL,  \
	    NULL, "NAME", "User for AUTH at the Sentinels."},                                   \
	{"redis_sentinel_password_file", OPTION_STRING, AT(at.redis_sentinel_password_file),    \
	    NULL, 1, 4095, NULL, NULL, "FILE",                                                  \
	    "File with the password for AUTH at the Sentinels, in its first line."}

/* For a row of an option table. */
const char *redis_sentinel_check(const char *text);

/* Is a Redis configured? */
bool redis_options_given(const struct redis_options *options);
/* Which one, for people: an address, or "mymaster by Sentinel". */
const char *redis_options_text(
    const struct redis_options *options, char *out, size_t cap);

struct redis_access {
	struct redis_link_config link;         /* points into this struct and into the options */
	struct redis_sentinel_config sentinel; /* n_sentinels 0: there are none */
	struct redis_endpoint endpoint;
	char password[REDIS_PASSWORD_MAX + 1], sentinel_password[REDIS_PASSWORD_MAX + 1];
};

/* name: for CLIENT SETNAME. -1 with error filled: which option or file is wrong, for people.
 * The caller wipes in both cases. */
int redis_access_init(struct redis_access *access,
    const struct redis_options *options, const char *name,
    char error[REDIS_ACCESS_ERROR_MAX]);
void redis_access_wipe(struct redis_access *access);

/* For programs without a loop: connect as the options say, to the primary if Sentinels know it, and
 * wait no longer than timeout_ms for an answer (0: the options'). where gets which Redis that is, for
 * people, also when it fails; NULL: nobody asks. NULL with error filled: the options or their files
 * are wrong and *where is "", or Redis does not answer. */
struct redis_sync *redis_access_dial(const struct redis_options *options,
    const char *name, uint64_t timeout_ms, char where[REDIS_WHERE_MAX],
    char error[REDIS_ACCESS_ERROR_MAX]);

#endif
