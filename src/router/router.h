/* SPDX-License-Identifier: MIT */
/*
 * taupe-router as a whole: one follower of the registry, one route table, and for each
 * HAProxy one map_sync; map files on disk beside them.
 */
#ifndef TAUPE_ROUTER_ROUTER_H
#define TAUPE_ROUTER_ROUTER_H

/* Run until SIGTERM or SIGINT. Returns an exit code of sysexits.h. */
int router_main(int argc, char **argv);

#endif
