/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "mux_scene.h"

uint8_t flood[FLOOD];
struct far_end far;
struct mux_owner *owner;

void
mux_begin(int backend, int buffers)
{
	side_begin(backend);
	owner = mux_owner_new(&far, buffers);
	pattern_fill(flood, sizeof(flood), 0);
}

void
mux_end(void)
{
	mux_owner_free(owner);
	far_close(&far);
}

void
mux_some_turns(void)
{
	for (int i = 0; i < 10; i++)
		mux_turn(owner, &far);
}

void
mux_block(int number)
{
	struct mux_visit *visit = mux_visit_begin(
	    owner, number, PLENTY_CREDIT, WINDOW, SMALL_BUFFERS);

	for (int quiet = 0; quiet < 20; quiet++) {
		if (peer_send_some(&visit->peer, flood, BUF_LARGE) > 0)
			quiet = 0;
		run_for_ms(loop, 1);
	}
	ck_assert(visit->side.stopped);
}
