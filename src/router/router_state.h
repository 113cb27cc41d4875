/* SPDX-License-Identifier: MIT */
/* The parts of a running router, for router.c and its admin pages. */
#ifndef TAUPE_ROUTER_ROUTER_STATE_H
#define TAUPE_ROUTER_ROUTER_STATE_H

#include "net/http_admin.h"
#include "router/agent_pool.h"
#include "router/follower.h"
#include "router/map_files.h"
#include "router/map_lock.h"
#include "router/map_sync.h"
#include "router/router_options.h"

struct router {
	struct router_options options;
	int argc;
	char **argv;
	struct loop *loop;
	struct map_lock lock;
	struct timer standby; /* set while another router has the lock: there is no follower */
	int code;	      /* for the end of the process */
	struct route_table *table;
	struct redis_sentinel *sentinel; /* NULL without redis_sentinel */
	struct follower *follower;
	struct map_files *files;
	struct agent_pool *pool;
	struct map_sync *syncs[ROUTE_VIEWERS_MAX];
	size_t n_syncs;
	struct http_admin *admin;
};

#endif
