/* SPDX-License-Identifier: MIT */
/*
 * A byte-stream connection on the loop: a non-blocking TCP socket, with or without TLS,
 * its readiness, and a queue of buffers to be written. It knows nothing of what the
 * bytes mean. Raw libevent events, edge-triggered where the system can, so that pausing
 * and resuming a side costs no system call.
 *
 * Rules of the callbacks: they come from the loop only, never from inside a conn_ call.
 * A callback may call conn_fini() on its own or any other connection; nothing touches
 * the connection after that. Before conn_init() a connection is made known to be closed
 * with CONN_CLOSED: struct conn conn = CONN_CLOSED.
 */
#ifndef TAUPE_NET_CONN_H
#define TAUPE_NET_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <event2/event_struct.h>

#include "net/address.h"
#include "net/buf.h"
#include "net/loop.h"

struct tls;
struct conn;

/*
 * Stands between a connection and its owner, in the direction that is read: what the owner reads
 * comes from it, and it reads the connection. One without costs nothing.
 */
struct conn_filter;
struct conn_filter_ops {
	/* As conn_read(), or CONN_AT_HOME. It sets filter->has_more where it could give more without
	 * reading the connection. */
	ssize_t (*read)(struct conn_filter *filter, struct conn *conn,
	    void *out, size_t cap);
	/* This is written to the connection; called while filter->watches is set. */
	void (*wrote)(struct conn_filter *filter, struct conn *conn,
	    const uint8_t *data, size_t len);
	/* The owner ends our direction: the last that can be appended. */
	void (*ending)(struct conn_filter *filter, struct conn *conn);
	/* The connection is closed, or goes on without it. */
	void (*free)(struct conn_filter *filter);
};
struct conn_filter {
	const struct conn_filter_ops *ops;
	bool has_more, watches;
	bool dry; /* conn's own: what is readable is the filter's, the system has nothing */
};

struct conn_ops {
	/* There may be bytes (or the end) to read, and reading is not paused. Read with
	 * conn_read() until it says CONN_AGAIN, or leave some: you are called again. */
	void (*readable_cb)(struct conn *conn);
	/* All that was queued has been handed to the system. Called only if something
	 * had to wait. */
	void (*drained_cb)(struct conn *conn);
	/* Connecting (and the TLS handshake) has succeeded: error NULL; or failed: a
	 * text for people, valid during the call; close it then. Called once, for
	 * conn_connect() and for a connection with TLS. */
	void (*connected_cb)(struct conn *conn, const char *error);
	/* Writing failed: the connection is of no use any more. */
	void (*broken_cb)(struct conn *conn);
};

struct conn {
	struct event event;
	struct loop *loop;
	const struct conn_ops *ops;
	void *owner;
	struct tls *tls;	  /* NULL: plain */
	struct conn_filter *filter; /* NULL: none */
	struct buf_list queue;	  /* to be written */
	struct task task; /* readable_cb or broken_cb, from the loop */
	bool *gone;	  /* set when it is closed during its own callback */
	uint32_t queued_bytes;
	evutil_socket_t fd;   /* -1: none */
	bool look_again : 1;  /* for what a short read may have hidden */
	bool connecting : 1;  /* the socket is not connected yet */
	bool handshaking : 1; /* the TLS handshake is not complete yet */
	bool readable : 1;    /* the system may have bytes for us */
	bool writable : 1;    /* the system may have room for us */
	bool waits : 1;	      /* it had none, and when it has, the queue is written */
	bool
	    hung_up : 1; /* the peer's end is behind the bytes that are there */
	bool ended : 1;	 /* the peer's end was read */
	bool paused : 1; /* the owner does not want to read */
	bool shut_after : 1; /* end our direction once the queue is empty */
	bool shut : 1;	     /* our direction has ended */
	bool broken : 1;     /* writing failed */
	bool edge : 1; /* edge-triggered; else events follow what is wanted */
};

#define CONN_CLOSED                                                            \
	{                                                                      \
		.fd = -1                                                       \
	}

#define CONN_AGAIN (-1)
#define CONN_ERROR (-2)
#define CONN_AT_HOME (-3) /* of a filter: what comes is for another thread to read */

/* Take over an open, non-blocking socket. -1: it could not be watched; the descriptor is
 * then still the caller's. The queue is empty, reading not paused. */
int conn_init(struct conn *conn, struct loop *loop, evutil_socket_t fd,
    const struct conn_ops *ops, void *owner);

/* The same, but read first, into an empty buffer, and then watch: what has come with the
 * connection costs no turn of the loop. *got is as of conn_read(). */
int conn_init_read(struct conn *conn, struct loop *loop, evutil_socket_t fd,
    const struct conn_ops *ops, void *owner, struct buf *buf, ssize_t *got);

/* Start to connect to an address. -1 with errno: it failed at once; no callback comes. */
int conn_connect(struct conn *conn, struct loop *loop, const struct address *to,
    const struct conn_ops *ops, void *owner);
/* The same, from an address of this host (its port 0: any); NULL: whichever the system takes. */
int conn_connect_from(struct conn *conn, struct loop *loop,
    const struct address *from, const struct address *to,
    const struct conn_ops *ops, void *owner);

/* Speak TLS on it from the first byte on; connected_cb says how the handshake went. The
 * connection owns tls from here. After conn_connect(), or after conn_init(). */
void conn_start_tls(struct conn *conn, struct tls *tls);

/* Put a filter before a connection that has none, or NULL for none any more; the connection owns
 * it, and takes it along where it moves. */
void conn_set_filter(struct conn *conn, struct conn_filter *filter);
/* For filters: conn_read() of the connection itself. */
ssize_t conn_read_below(struct conn *conn, void *out, size_t cap);
/* For filters: it may have more to give, though nothing has come. */
void conn_wake(struct conn *conn);

/* Let other functions and another owner have the callbacks from now on. */
void conn_set_owner(struct conn *conn, const struct conn_ops *ops, void *owner);

/* Move an open connection, its queue and its TLS to another place in memory; `from` is as
 * after conn_fini(). -1: it could not be watched there, and is closed. */
int conn_move(struct conn *to, struct conn *from, const struct conn_ops *ops,
    void *owner);

/* Let its loop know it no longer, until another one does: the thread that runs the one calls the
 * one, the thread that runs the other the other. Between them nothing may be done with it. Where
 * it cannot be watched any more, it is broken. */
void conn_leave_loop(struct conn *conn);
void conn_enter_loop(struct conn *conn, struct loop *loop);

/* Close the descriptor and free what is queued. For a connection that never was or that
 * is closed already, does nothing. */
void conn_fini(struct conn *conn);
/* The same, but the peer gets a reset (RFC 9293 section 3.5.2) instead of an end. */
void conn_abort(struct conn *conn);
bool conn_is_open(const struct conn *conn);

/* Let the system ask now and then, during silence, whether the peer is still there: whatever
 * keeps a mapping on the way goes on to keep it, and a peer that has vanished breaks the
 * connection within two minutes. */
void conn_keep_alive(struct conn *conn);

/* Let the system hold no more than about so many bytes that it has not sent yet, however large its
 * buffer: what is written next waits behind them. Where it cannot, nothing changes. */
void conn_bound_unsent(struct conn *conn, unsigned bytes);
/* For a connection that may carry much: enough for full speed (bench), and little enough for
 * hundreds whose peers do not read (Linux gives each 4 MB, and all of them tcp_mem together). */
#define CONN_UNSENT_BYTES 262144u

/* Read up to cap bytes: the count, 0 at the end of the stream, CONN_AGAIN, or
 * CONN_ERROR (errno says which); CONN_AT_HOME where a filter says so. */
ssize_t conn_read(struct conn *conn, void *out, size_t cap);
/* Has the peer's end, or a reset, come, though nothing was read? Asks the system; false is all that
 * some systems know before the bytes in front of it are read. */
bool conn_hung_up(const struct conn *conn);
/* No readable_cb until conn_resume(). A closed connection does not go on. */
void conn_pause(struct conn *conn);
void conn_resume(struct conn *conn);

/* Write the spans of a buffer, after all that is queued; takes the buffer, clears the
 * pointer. -1: the connection is broken (broken_cb will come as well). */
int conn_write_buf(struct conn *conn, struct buf **buf);
/* Write a copy of some bytes (short things: heads, control frames). */
int conn_write(struct conn *conn, const void *data, size_t len);
/* The same, but into the queue only, to go with what follows in one system call: the caller writes
 * what follows, or flushes, soon. */
int conn_append_buf(struct conn *conn, struct buf **buf);
int conn_append(struct conn *conn, const void *data, size_t len);
/* conn_write() that leaves no copy behind, once the bytes are gone; data is the caller's to wipe. */
int conn_write_secret(struct conn *conn, const void *data, size_t len);
/* Write what is queued, as far as the system takes it; -1 as above. */
int conn_flush(struct conn *conn);
/* Bytes that wait in the queue, or sealed by TLS for the system to take. */
size_t conn_queued(const struct conn *conn);
/* End our direction once the queue is written (TCP half-close; with TLS a close-notify). Where
 * the peer's end was read before, it is closing that tells it: see conn_is_over(). */
void conn_shutdown(struct conn *conn);
/* Has the peer ended, and is everything written? Then nothing is left to do but to close. */
bool conn_is_over(const struct conn *conn);
/* Was our direction ended, and is everything written? */
bool conn_is_shut(const struct conn *conn);

#endif
