/* SPDX-License-Identifier: MIT */
/*
 * A visitor: one TCP connection from outside to one service of a device. It waits for a
 * transfer channel, is joined to it, and leaves with what the channel brought, with a
 * page, or with a reset.
 */
#ifndef TAUPE_RELAY_VISITOR_H
#define TAUPE_RELAY_VISITOR_H

#include "relay/device.h"
#include "relay/page.h"
#include "wire/control_msg.h"

struct connect;

struct visitor {
	TAILQ_ENTRY(visitor) link; /* in device->waiting, while waiting */
	LIST_ENTRY(visitor) all_link; /* in relay->visits */
	struct conn conn;
	struct device *device;
	struct service *service;   /* NULL: closed while it was joined */
	struct transfer *transfer; /* that it was joined to, or */
	struct stream *stream; /* the same, on a shared channel; NULL before */
	struct buf *first;     /* bytes that the front has read already */
	size_t first_len;
	struct buf
	    *spare; /* a copy of first, if that was sent while doubtful */
	struct connect *connect; /* that it has come by; NULL: by its own connection */
	struct timer timer; /* waiting: hold; joined: the answer to open */
	struct source *source; /* where it comes from; NULL: not counted */
	struct address from;
	uint64_t since_us; /* loop_now_us(): when it came */
	uint64_t held_us;  /* the same: when it began to wait for its device; 0: it does not */
	enum service_kind kind;
	bool waiting;  /* it stands in device->waiting */
	bool touched;  /* bytes of the device were handed to it */
	bool probed;   /* the agent was late and was asked whether it lives */
	bool doubtful; /* joined to a channel that may be dead */
	bool direct;   /* it came to its service's own listener */
};

void visitors_init(struct relay *relay);
void visitors_fini(struct relay *relay);
/* Count what has been moved for them since the last time. */
void visitors_count(struct relay *relay);

/* A visitor came to a service's listener. Takes the descriptor. */
void visitor_accept(
    struct service *service, int fd, const struct address *from);
/* A visitor whose first bytes the front has read, to find the service: takes the
 * connection (moved) and the buffer. */
void visitor_adopt(struct service *service, struct conn *conn,
    struct buf **first, size_t first_len, const struct address *from);

/* A visitor came over a WebSocket, and may: *visitor is it. Takes the descriptor. False: it is turned
 * away, and *page says why; true: it may have failed already, and connect with it. */
bool visitor_connect(struct service *service, int fd,
    const struct address *from, struct connect *connect,
    struct visitor **visitor, enum page *page);

/* The session that it waited for has ended: it waits for the next one, for so long. */
void visitor_hold(struct visitor *visitor);
/* It is joined now: stop waiting, and give the agent open_timeout to answer. */
void visitor_joined(struct visitor *visitor);
/* It is about to be joined to a channel that has rested so long that it may be dead: keep
 * what goes there first, if that may be sent twice, and look after probe_timeout whether
 * anything came back. */
void visitor_doubt(struct visitor *visitor);
/* Must its bytes wait until the channel has shown that it lives? They could not be sent
 * again on another one. */
bool visitor_is_held_back(const struct visitor *visitor);
/* It is on its way from a shared channel to one of its own: the agent has open_timeout to say its
 * last word on the one. */
void visitor_moves(struct visitor *visitor);
/* The channel was dead. Let it wait for another one, if no more than its first bytes were
 * sent, and nothing has come; false: it has to be failed. */
bool visitor_retry(struct visitor *visitor, uint64_t sent_bytes);
/* A byte of the device is about to be handed to it: no page can be written any more. */
void visitor_touched(struct visitor *visitor);
/* The agent has answered. */
void visitor_answered(struct visitor *visitor);

/* The message that opens its visit as this number; from is room for what it points to. */
struct control_msg visitor_open_message(const struct visitor *visitor,
    uint64_t number, char from[ADDRESS_TEXT_MAX]);

/* Its visit is complete: what is queued is written, then it ends. Frees it. */
void visitor_finish(struct visitor *visitor);
/* It cannot be served: a page, if it speaks HTTP and has seen nothing yet, else a reset.
 * Frees it. */
void visitor_fail(struct visitor *visitor, enum page page);
/* Let it go on elsewhere: its connection is moved to conn, *first gets what was read of it
 * already (or NULL). Precondition: it waits. -1: it was lost on the way. Frees it. */
int visitor_release(struct visitor *visitor, struct conn *conn,
    const struct conn_ops *ops, void *owner, struct buf **first,
    size_t *first_len);
/* All visits of the device end: those that wait with this page. */
void visitors_end(
    struct device *device, enum page page, unsigned retry_after_s);
/* Its rules are others now: end the visits over HTTP that are asked nothing any more, because they came
 * straight to a listener, and may not come now. */
void visitors_recheck(struct device *device);
/* The service does not take it; reason is the agent's. As visitor_fail(). */
void visitor_refuse(struct visitor *visitor, struct str reason);
/* Reset it. Frees it. */
void visitor_abort(struct visitor *visitor);

#endif
