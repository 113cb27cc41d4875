/* SPDX-License-Identifier: MIT */
/*
 * The pool: one free list per capacity, last in first out, so that the memory that is
 * handed out is the memory that was just used. What is kept is bounded; the rest goes
 * back to the system, so that a burst does not stay for ever.
 */
#include "config.h"

#include <assert.h>
#ifdef HAVE_MALLOPT
#include <malloc.h>
#endif
#include <stdlib.h>
#include <string.h>

#include "base/wipe.h"
#include "net/buf.h"

struct pool {
	struct buf_list free;
	size_t count;
	const size_t capacity;
};

/* Each thread has its own, and buffers go from one thread to another. A list of zeros is good for
 * what is done at its head alone. */
static _Thread_local struct pool pools[] = {
    {.capacity = BUF_SMALL},
    {.capacity = BUF_LARGE},
    {.capacity = BUF_SEALED},
};

static struct pool *
pool_for(size_t room)
{
	size_t i = 0;

	while (room > pools[i].capacity)
		i++;
	return &pools[i];
}

/* Of its heap, glibc returns what lies on top, and one small thing that outlives a burst
 * keeps all below it. Large buffers get mappings of their own: they leave when freed. */
void
buf_pool_init(void)
{
#ifdef HAVE_MALLOPT
	(void)mallopt(M_MMAP_THRESHOLD, BUF_LARGE);
#endif
}

struct buf *
buf_get(size_t room)
{
	struct pool *pool;
	struct buf *buf;

	assert(room <= BUF_SEALED);
	pool = pool_for(room);
	buf = STAILQ_FIRST(&pool->free);
	if (buf != NULL) {
		STAILQ_REMOVE_HEAD(&pool->free, link);
		pool->count--;
	} else {
		buf = malloc(sizeof(*buf) + BUF_HEADROOM + pool->capacity);
		if (buf == NULL)
			return NULL;
		buf->capacity = (uint32_t)pool->capacity;
	}
	buf->first_span = buf->n_spans = 0;
	buf->secret = false;
	return buf;
}

void
buf_put(struct buf **buf)
{
	struct pool *pool;

	if (*buf == NULL)
		return;
	if ((*buf)->secret)
		wipe((*buf)->space, BUF_HEADROOM + (*buf)->capacity);
	pool = pool_for((*buf)->capacity);
	if (pool->count * pool->capacity < BUF_POOL_BYTES) {
		STAILQ_INSERT_HEAD(&pool->free, *buf, link);
		pool->count++;
	} else {
		free(*buf);
	}
	*buf = NULL;
}

void
buf_add_span(struct buf *buf, uint32_t offset, uint32_t length)
{
	struct buf_span *last;

	assert(offset + length <= BUF_HEADROOM + buf->capacity);
	if (length == 0)
		return;
	if (buf->n_spans == 0) {
		buf->span[buf->n_spans++] = (struct buf_span){offset, length};
		return;
	}
	last = &buf->span[buf->n_spans - 1];
	assert(offset >= last->offset + last->length);
	if (offset == last->offset + last->length) {
		last->length += length;
	} else if (buf->n_spans < BUF_SPANS) {
		buf->span[buf->n_spans++] = (struct buf_span){offset, length};
	} else {
		memmove(buf->space + last->offset + last->length,
		    buf->space + offset, length);
		last->length += length;
	}
}

static struct buf *
list_last(struct buf_list *list)
{
	char *next = (char *)list->stqh_last; /* glibc has no STAILQ_LAST */

	if (STAILQ_EMPTY(list))
		return NULL;
	return (struct buf *)(void *)(next - offsetof(struct buf, link));
}

bool
buf_list_append(struct buf_list *list, const void *data, size_t len)
{
	struct buf *last = list_last(list);
	struct buf_span *span;
	size_t end;

	if (last == NULL)
		return false;
	span = &last->span[last->n_spans - 1];
	end = (size_t)span->offset + span->length;
	if (len > BUF_HEADROOM + last->capacity - end)
		return false;
	memcpy(last->space + end, data, len);
	span->length += (uint32_t)len;
	return true;
}

size_t
buf_pending(const struct buf *buf)
{
	size_t pending = 0, i;

	for (i = buf->first_span; i < buf->n_spans; i++)
		pending += buf->span[i].length;
	return pending;
}

void
buf_pool_drain(void)
{
	size_t i;

	for (i = 0; i < sizeof(pools) / sizeof(pools[0]); i++) {
		struct buf *buf;

		while ((buf = STAILQ_FIRST(&pools[i].free)) != NULL) {
			STAILQ_REMOVE_HEAD(&pools[i].free, link);
			free(buf);
		}
		pools[i].count = 0;
	}
}
