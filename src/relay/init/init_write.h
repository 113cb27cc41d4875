/* SPDX-License-Identifier: MIT */
/*
 * Put the files of a plan where they belong: all of them or none, but where a disk fails between two renames. What is there already and
 * differs is told, and replaced only by force, with the old one kept under another name.
 */
#ifndef TAUPE_RELAY_INIT_INIT_WRITE_H
#define TAUPE_RELAY_INIT_INIT_WRITE_H

#include <signal.h>

#include "relay/init/init_plan.h"

/* From now on ^C and the like wait until *before is the mask again: nobody ends us half way. */
void init_hold(sigset_t *before);

/* An exit code of sysexits; what was done, or what is wrong, was said. Whoever wanted to end us
 * before the first file was in its place has his will: nothing is written then. Call init_hold()
 * first. */
int init_write(const struct init_plan *plan);

#endif
