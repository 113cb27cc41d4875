/* SPDX-License-Identifier: MIT */
/*
 * The right to write a folder of map files, and with it the HAProxy that begins with them.
 * What a router knows of HAProxy's maps holds only while nobody else writes there: two would
 * find each other's work wrong, and write everything anew for ever. So the second one stands
 * by until the first has ended, however that comes; the system gives the lock back.
 */
#ifndef TAUPE_ROUTER_MAP_LOCK_H
#define TAUPE_ROUTER_MAP_LOCK_H

#include <stdbool.h>

#define MAP_LOCK_HOLDER_MAX 100

struct map_lock {
	int fd;
	/* For people: who has it, while it is not ours. "HOST/PROCESS", as its holder sees itself
	 * (a container has its own names and numbers), or what is known; "": never tried. */
	char holder[MAP_LOCK_HOLDER_MAX];
};

/* Create the folder and the lock's file if they do not exist. -1 with errno: dir cannot be
 * written to. */
int map_lock_open(struct map_lock *lock, const char *dir);
/* Take it, if nobody has it. 0: it is ours until map_lock_close() or the end of the process
 * (copies of the process do not have it); 1: holder has it; -1 with errno. */
int map_lock_try(struct map_lock *lock);
/* fd may be -1. */
void map_lock_close(struct map_lock *lock);

#endif
