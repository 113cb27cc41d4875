/* SPDX-License-Identifier: MIT */
/*
 * An owner of a mux for its tests, with a toy protocol instead of WebSocket: a frame is a
 * letter, the number of a visit in four bytes, four bytes of length, and that many bytes,
 * each with its highest bit flipped so that a byte which was not decoded shows.
 *
 *     D  payload
 *     E  the visit's direction ends
 *     C  credit: the length says how much, nothing follows
 *     J  join the visit's raw connection
 *     L  leave, and close the raw connection
 *     R  leave, and reset it
 *     H  hand the raw connection over to another place
 *     X  end the mux, close everything, and free the owner
 */
#ifndef TAUPE_TESTS_NET_MUX_OWNER_H
#define TAUPE_TESTS_NET_MUX_OWNER_H

#include "net/mux.h"
#include "stream.h"
#include "support.h"

#define MUX_HEADER 9
#define MUX_VISITS 60

extern struct loop *loop;

/* One visit, from all sides. */
struct mux_visit {
	struct mux_side side;
	struct conn raw, moved; /* before and after it is handed over */
	struct peer peer;	/* the test's end of the raw connection */
	int n_eof, n_failed, n_credit;
	uint64_t credit_bytes; /* given to the far end */
	/* what the far end of the channel has received */
	uint8_t *data;
	size_t len, room, largest; /* bytes; of one message */
	bool ended;
};

/* What a callback does besides counting. */
enum mux_act { MUX_NOTHING, MUX_LEAVE, MUX_FREE };

struct mux_owner {
	struct mux mux;
	struct conn channel;
	struct mux_visit visits[MUX_VISITS];
	uint8_t header[MUX_HEADER];
	size_t header_len, left;
	enum mux_act on_eof, on_failed, on_ended;
	int n_ended;
	enum pump_end end;
};

/* The far end of the channel. */
struct far_end {
	struct peer peer;
	size_t parsed; /* of what the peer has received */
	uint8_t *out;  /* what is still to be sent */
	size_t out_len, out_at, out_room;
};

/* An owner whose channel leads to *far; nothing is joined. */
struct mux_owner *mux_owner_new(struct far_end *far, int buffers);
/* What is left of it, the test's ends of the raw connections, too. */
void mux_owner_free(struct mux_owner *owner);
void far_close(struct far_end *far);

/* Begin a visit, with a raw connection that is not joined. */
struct mux_visit *mux_visit_prepare(struct mux_owner *owner, int number,
    uint32_t credit, uint32_t window, int buffers);
/* The same, and join it. */
struct mux_visit *mux_visit_begin(struct mux_owner *owner, int number,
    uint32_t credit, uint32_t window, int buffers);

size_t mux_frame_put(
    uint8_t *out, char letter, int visit, const void *payload, size_t len);
/* Queue a frame at the far end, and send what the system takes. */
void far_send(struct far_end *far, char letter, int visit, const void *payload,
    size_t len);
/* Send what the system takes of the rest; false: something is still left. */
bool far_push(struct far_end *far);
/* Take what has come, and sort it by visits. */
void far_receive(struct far_end *far, struct mux_owner *owner);

/* A turn of everything: the loop runs, and the far end sends and receives. */
void mux_turn(struct mux_owner *owner, struct far_end *far);
#define MUX_UNTIL(owner, far, condition)                                       \
	do {                                                                   \
		uint64_t limit = loop_now_ms(loop) + 20000;                    \
		while (!(condition) && loop_now_ms(loop) < limit)              \
			mux_turn(owner, far);                                  \
		ck_assert_msg(condition, "never: %s", #condition);             \
	} while (0)

#endif
