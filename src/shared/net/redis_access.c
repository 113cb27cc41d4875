/* SPDX-License-Identifier: MIT */
/* From options to links: passwords are read here, and wiped by who has used them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/crypto.h"
#include "net/redis_access.h"

/* What one Sentinel may take; the next one is asked sooner than the links give up. */
#define SENTINEL_TIMEOUT_MS 500

const char *
redis_sentinel_check(const char *text)
{
	struct redis_endpoint endpoint;

	return redis_endpoint_parse(text, &endpoint) && endpoint.port != 0
	    ? NULL
	    : "HOST:PORT such as 10.0.0.3:26379";
}

bool
redis_options_given(const struct redis_options *options)
{
	return options->redis != NULL || options->redis_sentinel.count > 0;
}

const char *
redis_options_text(const struct redis_options *options, char *out, size_t cap)
{
	if (options->redis_sentinel.count > 0)
		snprintf(
		    out, cap, "%s by Sentinel", options->redis_master_name);
	else
		snprintf(out, cap, "%s",
		    options->redis != NULL ? options->redis : "");
	return out;
}

/* Nothing to do without a path. */
static int
read_password(const char *path, char password[REDIS_PASSWORD_MAX + 1],
    const char **out, char error[REDIS_ACCESS_ERROR_MAX])
{
	if (path == NULL)
		return 0;
	*out = password;
	if (redis_password_read(path, password) == 0)
		return 0;
	snprintf(error, REDIS_ACCESS_ERROR_MAX,
	    "%.250s: no password can be read: %s", path, strerror(errno));
	return -1;
}

static int
init_sentinels(struct redis_access *access, const struct redis_options *options,
    const char *name, char error[REDIS_ACCESS_ERROR_MAX])
{
	struct redis_sentinel_config *config = &access->sentinel;
	const struct option_list *list = &options->redis_sentinel;

	if (list->count > REDIS_SENTINELS_MAX) {
		snprintf(error, REDIS_ACCESS_ERROR_MAX,
		    "redis_sentinel: more than %d are given",
		    REDIS_SENTINELS_MAX);
		return -1;
	}
	if (options->redis_master_name == NULL) {
		snprintf(error, REDIS_ACCESS_ERROR_MAX,
		    "redis_sentinel: redis_master_name is not set");
		return -1;
	}
	config->n_sentinels = list->count;
	for (size_t i = 0; i < list->count; i++)
		(void)redis_endpoint_parse(list->items[i],
		    &config->sentinels[i]); /* checked with the option */
	config->master_name = options->redis_master_name;
	config->user = options->redis_sentinel_user;
	config->name = name;
	config->timeout_ms = access->link.timeout_ms < SENTINEL_TIMEOUT_MS
	    ? access->link.timeout_ms
	    : SENTINEL_TIMEOUT_MS;
	return read_password(options->redis_sentinel_password_file,
	    access->sentinel_password, &config->password, error);
}

int
redis_access_init(struct redis_access *access,
    const struct redis_options *options, const char *name,
    char error[REDIS_ACCESS_ERROR_MAX])
{
	*access = (struct redis_access){0};
	access->link = (struct redis_link_config){
	    .user = options->redis_user,
	    .database = (int)options->redis_database,
	    .name = name,
	    .timeout_ms = (uint64_t)options->redis_timeout_ms,
	};
	if (read_password(options->redis_password_file, access->password,
		&access->link.password, error) != 0)
		return -1;
	if (options->redis_sentinel.count > 0)
		return init_sentinels(access, options, name, error);
	if (options->redis == NULL) {
		snprintf(error, REDIS_ACCESS_ERROR_MAX,
		    "redis: it is empty, and so is redis_sentinel");
		return -1;
	}
	(void)redis_endpoint_parse(
	    options->redis, &access->endpoint); /* checked with the option */
	access->link.host = access->endpoint.host;
	access->link.port = access->endpoint.port;
	return 0;
}

void
redis_access_wipe(struct redis_access *access)
{
	crypto_wipe(access->password, sizeof(access->password));
	crypto_wipe(
	    access->sentinel_password, sizeof(access->sentinel_password));
}
