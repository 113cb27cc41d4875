/* SPDX-License-Identifier: MIT */
/* The scene that the tests of the mux share: an owner, the far end of its channel, and what is sent. */
#ifndef TAUPE_TESTS_NET_MUX_SCENE_H
#define TAUPE_TESTS_NET_MUX_SCENE_H

#include "mux_owner.h"
#include "side.h"

#define WINDOW 65536u
#define FLOOD (16u * BUF_LARGE) /* much more than small buffers hold */
#define SHARE                                                                  \
	(6u * BUF_LARGE) /* still more than they do, for each of a crowd */
#define PLENTY_CREDIT (1u << 30)

extern uint8_t flood[FLOOD]; /* the pattern, from its beginning */
extern struct far_end far;
extern struct mux_owner *owner;

void mux_begin(int backend, int buffers);
void mux_end(void);
/* So long that what has to happen would have. */
void mux_some_turns(void);
/* Begin a visit that sends until the channel, which nobody reads, takes no more. */
void mux_block(int number);

#endif
