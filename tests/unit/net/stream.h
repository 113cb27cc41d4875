/* SPDX-License-Identifier: MIT */
/*
 * What the tests of connections share: pairs of TCP sockets, with small buffers if the
 * test wants its peer to be full soon, and the raw end of such a pair.
 */
#ifndef TAUPE_TESTS_NET_STREAM_H
#define TAUPE_TESTS_NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/loop.h"

#define SMALL_BUFFERS 32768 /* for stream_pair(): SO_RCVBUF and SO_SNDBUF */

/* The end of a connection that the test holds: never blocks. */
struct peer {
	int fd;
	uint8_t *data; /* what was received */
	size_t len, room;
	bool ended, reset; /* what came after it */
};

/* Two ends of a TCP connection over loopback, both non-blocking: ends[0] for the code that
 * is tested. buffers 0: as the system likes them. */
void stream_pair(int ends[2], int buffers);
/* Let the loop use the backend without edges (select) if so asked; before loop_new(). */
void without_edges(bool without);

void peer_init(struct peer *peer, int fd);
void peer_close(struct peer *peer);
/* Close with a reset. */
void peer_reset(struct peer *peer);
/* Send all of it; the test fails when the system has no room. */
void peer_send(struct peer *peer, const void *data, size_t len);
/* Send what the system has room for: the count. */
size_t peer_send_some(struct peer *peer, const void *data, size_t len);
void peer_end(struct peer *peer);
/* Take what has come. */
void peer_receive(struct peer *peer);

/* Run the loop, receiving at the peer, until the peer has len bytes, its end, its reset;
 * the test fails after ten seconds. */
void run_until_received(struct loop *loop, struct peer *peer, size_t len);
void run_until_ended(struct loop *loop, struct peer *peer);
void run_until_reset(struct loop *loop, struct peer *peer);

/* Bytes that differ from place to place: at `offset` of an endless pattern. */
void pattern_fill(uint8_t *out, size_t len, size_t offset);
void pattern_check(const uint8_t *data, size_t len, size_t offset);

#endif
