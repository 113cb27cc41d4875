/* SPDX-License-Identifier: MIT */
/*
 * The unit of input and output: a pooled piece of memory with room for a frame header
 * in front of its data, and a list of spans of it that are to be written. Bytes are read
 * into it once and written from it once; between the two nothing is copied, ownership
 * moves. A connection that rests has none.
 */
#ifndef TAUPE_NET_BUF_H
#define TAUPE_NET_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define BUF_HEADROOM 16 /* bytes before the data, for a frame header */
#define BUF_SMALL 2048	/* capacities, bytes of data */
#ifndef TAUPE_SMALL_BUFFERS
/* With its frame header it fits into one segment of the loopback, and into one of what
 * segmentation offload makes: 64 KiB would leave a tail that travels alone. */
#define BUF_LARGE 64512
/* A full BUF_LARGE and its header as TLS records; fits, too. */
#define BUF_SEALED 65024
#define BUF_POOL_BYTES (4u << 20) /* that the pool keeps, of each capacity */
#else
/* For a device's link that is enough, and the device has no more memory to give. */
#define BUF_LARGE 16128
#define BUF_SEALED 16640
#define BUF_POOL_BYTES (48u << 10)
#endif
#define BUF_SPANS 16

struct buf_span {
	uint32_t offset,
	    length; /* within data; offset counts from the headroom's start */
};

struct buf {
	STAILQ_ENTRY(buf) link;
	uint32_t capacity; /* bytes after the headroom */
	uint16_t first_span,
	    n_spans; /* spans first_span..n_spans-1 are still to be written */
	bool secret; /* buf_put() wipes it; false from buf_get() */
	struct buf_span span[BUF_SPANS];
	uint8_t space[]; /* BUF_HEADROOM + capacity bytes */
};
STAILQ_HEAD(buf_list, buf);

/* A buffer for at least `room` bytes (the next of BUF_SMALL, BUF_LARGE, BUF_SEALED), without
 * spans; NULL when there is no memory. */
struct buf *buf_get(size_t room);
/* Give it back; clears the pointer. NULL inside is fine. */
void buf_put(struct buf **buf);

/* What the next read should have room for, after one of `got` bytes into `cap` of `room`: reads
 * follow the flow, large while the system fills them, small when it does not. */
static inline uint32_t
buf_next_room(uint32_t room, size_t cap, size_t got)
{
	if (got == cap)
		return cap < room ? room : BUF_LARGE;
	return got < BUF_SMALL ? BUF_SMALL : room;
}

/* Things that one read of a channel should be decoded in, at most: their number takes time, and
 * everybody else waits for the turn's end. */
#define BUF_STEPS 256
/* What each counts for, in bytes of what a callback may read in one turn. */
#define BUF_STEP_BYTES (BUF_LARGE / BUF_STEPS)
/* buf_next_room() for a channel, whose `got` bytes were decoded in so many steps. */
static inline uint32_t
buf_next_channel_room(uint32_t room, size_t got, size_t steps)
{
	size_t right;

	if (steps <= BUF_STEPS / 2)
		return buf_next_room(room, room, got);
	right = got * BUF_STEPS / steps;
	if (right < BUF_SMALL)
		return BUF_SMALL;
	return right < BUF_LARGE ? (uint32_t)right : BUF_LARGE;
}

/* Where data is read to: behind the headroom. */
static inline uint8_t *
buf_data(struct buf *buf)
{
	return buf->space + BUF_HEADROOM;
}

/* Append data[offset..offset+length) (from the start of space) to what is to be written.
 * When the list is full, the bytes are moved behind the last span: frames are small
 * then, and the move is cheaper than another system call. length 0 adds nothing.
 * Spans must be added in rising order. */
void buf_add_span(struct buf *buf, uint32_t offset, uint32_t length);
/* Copy data behind what is last in the list, if there is room for all of it: else each little
 * piece would hold a buffer of its own. False: there is not. */
bool buf_list_append(struct buf_list *list, const void *data, size_t len);
/* Bytes still to be written. */
size_t buf_pending(const struct buf *buf);

/* Tell the allocator what the pool needs of it, once; loop_new() does it. */
void buf_pool_init(void);
/* Free the pooled buffers (at exit, so that leak checkers are content). */
void buf_pool_drain(void);

#endif
