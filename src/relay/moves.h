/* SPDX-License-Identifier: MIT */
/* Asking agents to move (docs/PROTOCOL.md section 4.6): which, and where to. */
#ifndef TAUPE_RELAY_MOVES_H
#define TAUPE_RELAY_MOVES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct relay;

struct moves {
	const char *reason; /* told to the agents */
	bool idle_only;	    /* leave those alone that have visitors now */
	bool anywhere;	    /* let the agents choose the place */
	uint64_t since_ms;  /* wall clock: leave those alone that came later */
};

/* Ask up to n agents that were not asked before; *at is where to go on among the devices, 0 at
 * first. Returns how many were asked: fewer than n when there are no more. */
size_t moves_ask(
    struct relay *relay, const struct moves *moves, size_t n, size_t *at);
/* Those that were asked and are still here may be asked again. */
void moves_forget(struct relay *relay);
/* Is there a relay that could take an agent of ours? */
bool moves_possible(struct relay *relay);

#endif
