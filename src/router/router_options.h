/* SPDX-License-Identifier: MIT */
/* The configuration of taupe-router: the table is in router_options.c. */
#ifndef TAUPE_ROUTER_ROUTER_OPTIONS_H
#define TAUPE_ROUTER_ROUTER_OPTIONS_H

#include "net/redis_access.h"

struct router_options {
	/* registry */
	struct redis_options registry;
	int64_t grace_ms;
	/* HAProxy */
	struct option_list haproxy;
	int64_t haproxy_bufsize, haproxy_timeout_ms, haproxy_check_ms;
	char *map_dir;
	int64_t map_delay_ms;
	struct option_list agent_host;
	/* operation */
	char *admin_listen, *user;
	int log_level;
	bool log_syslog, core_dumps;
};

extern const struct option_table router_option_table;

#endif
