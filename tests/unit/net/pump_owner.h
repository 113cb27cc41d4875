/* SPDX-License-Identifier: MIT */
/*
 * An owner of a pump for its tests, with a toy protocol instead of WebSocket: a frame is a
 * letter, four bytes of length, and that many bytes, each with its highest bit flipped so
 * that a byte which was not decoded shows.
 *
 *     D  payload
 *     E  the channel's direction ends
 *     N  the visit is over: leave, and join the other raw connection
 *     L  leave: the visit is over
 *     R  leave and reset the raw connection
 *     X  end the pump, close both, and free the owner
 */
#ifndef TAUPE_TESTS_NET_PUMP_OWNER_H
#define TAUPE_TESTS_NET_PUMP_OWNER_H

#include "net/pump.h"
#include "stream.h"
#include "support.h"

#define FRAME_HEADER 5

struct owner {
	struct pump pump;
	struct conn channel, raws[2];
	int current; /* of raws */
	uint8_t header[FRAME_HEADER];
	size_t header_len, left;
	bool stays; /* it may not leave for the worker */
	bool free_on_eof, free_on_raw_failed, free_on_channel_end;
	int n_connected, n_eof, n_raw_failed, n_channel_end;
	enum pump_end end;
	char connect_error[100];
};

extern struct loop *loop;

/* An owner whose channel leads to *peer; nothing is joined. */
struct owner *owner_new(struct peer *peer, int buffers);
void owner_free(struct owner *owner);
/* Join raws[i], which leads to *peer. */
void owner_join(struct owner *owner, int i, struct peer *peer, int buffers);

/* At the other end of the channel. */
size_t frame_put(uint8_t *out, char letter, const void *payload, size_t len);
void peer_send_frame(
    struct peer *peer, char letter, const void *payload, size_t len);
/* Take the frames apart that the peer has received: the payload in order into out (as large
 * as what was received), the count returned; *ended: an E was the last. */
size_t peer_payload(const struct peer *peer, uint8_t *out, bool *ended);

#endif
