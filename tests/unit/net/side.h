/* SPDX-License-Identifier: MIT */
/*
 * The tested end of a connection: reads what comes, counts its callbacks, and does in each
 * of them what the test wants. Tests that use it run twice, with edges (epoll, _i 0) and
 * without (select, _i 1).
 */
#ifndef TAUPE_TESTS_NET_SIDE_H
#define TAUPE_TESTS_NET_SIDE_H

#include "net/conn.h"
#include "stream.h"
#include "support.h"

#define PLENTY                                                                 \
	(4u * BUF_LARGE) /* more than the system holds in small buffers */

/* What a callback does besides counting. */
enum act { NOTHING, FINI, ABORT, FREE, FINI_OTHER, PAUSE, WRITE, MOVE, REOPEN };

struct side {
	struct conn conn;
	uint8_t *data; /* what was read */
	size_t len, room;
	size_t read_bytes; /* of each conn_read() */
	int reads_max; /* conn_read()s per callback; 0: until it says CONN_AGAIN */
	bool ended;
	int error; /* errno of the read that failed */
	int n_readable, n_drained, n_connected, n_broken;
	char connect_error[100];
	enum act on_readable, on_drained, on_connected, on_broken;
	struct side *other; /* for FINI_OTHER and MOVE */
	int fd;		    /* for REOPEN */
};

extern struct loop *loop; /* made by side_begin(), freed by side_teardown() */
extern const struct conn_ops side_ops;

void side_begin(int backend);
void side_teardown(void);

struct side *side_new(void);
void side_free(struct side *side);
/* A connection and the test's end of it. */
struct side *side_open(struct peer *peer, int buffers, int backend);
/* Queue so much that the peer, who does not read, is full: the count. */
size_t side_write_plenty(struct side *side);

/* Run until a condition holds; the test fails after ten seconds. */
#define RUN_UNTIL(condition)                                                   \
	do {                                                                   \
		uint64_t limit = loop_now_ms(loop) + 10000;                    \
		while (!(condition) && loop_now_ms(loop) < limit)              \
			run_for_ms(loop, 1);                                   \
		ck_assert_msg(condition, "never: %s", #condition);             \
	} while (0)

#endif
