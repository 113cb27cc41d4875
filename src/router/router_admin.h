/* SPDX-License-Identifier: MIT */
/*
 * Health and metrics of the router over HTTP: /healthz (the process runs), /readyz (the
 * routes are known and every HAProxy has them), /metrics (Prometheus).
 */
#ifndef TAUPE_ROUTER_ROUTER_ADMIN_H
#define TAUPE_ROUTER_ROUTER_ADMIN_H

struct router;

/* Listen on options.admin_listen. Returns an exit code of sysexits.h. */
int router_admin_start(struct router *router);

#endif
