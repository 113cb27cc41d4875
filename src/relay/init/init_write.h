/* SPDX-License-Identifier: MIT */
/*
 * Put the files of a plan where they belong: all of them or none. What is there already and
 * differs is told, and replaced only by force, with the old one kept beside it.
 */
#ifndef TAUPE_RELAY_INIT_INIT_WRITE_H
#define TAUPE_RELAY_INIT_INIT_WRITE_H

#include "relay/init/init_plan.h"

/* An exit code of sysexits; what was done, or what is wrong, was said. */
int init_write(const struct init_plan *plan);

#endif
