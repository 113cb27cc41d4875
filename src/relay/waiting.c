/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "relay/waiting.h"

#include <assert.h>
#include <string.h>

uint8_t *
waiting_data(const struct waiting *waiting)
{
	return buf_data(waiting->buf) + waiting->at;
}

void
waiting_consume(struct waiting *waiting, size_t len)
{
	assert(len <= waiting->len);
	waiting->at += (uint32_t)len;
	waiting->len -= (uint32_t)len;
	if (waiting->len > 0)
		return;
	buf_put(&waiting->buf);
	waiting->at = 0;
}

size_t
waiting_take(struct waiting *waiting, uint8_t *out, size_t cap)
{
	size_t len = waiting->len < cap ? waiting->len : cap;

	if (len == 0)
		return 0;
	memcpy(out, waiting_data(waiting), len);
	waiting_consume(waiting, len);
	return len;
}

int
waiting_make_room(struct waiting *waiting)
{
	struct buf *larger;

	if (waiting->buf == NULL)
		return (waiting->buf = buf_get(BUF_SMALL)) != NULL ? 0 : -1;
	if (waiting->at + waiting->len < waiting->buf->capacity)
		return 0;
	if (waiting->at > 0) {
		memmove(buf_data(waiting->buf), waiting_data(waiting),
		    waiting->len);
		waiting->at = 0;
		return 0;
	}
	if (waiting->len >= BUF_LARGE || (larger = buf_get(BUF_LARGE)) == NULL)
		return -1;
	memcpy(buf_data(larger), waiting_data(waiting), waiting->len);
	buf_put(&waiting->buf);
	waiting->buf = larger;
	return 0;
}

int
waiting_keep(struct waiting *waiting, const uint8_t *data, size_t len)
{
	assert(waiting->len == 0);
	if (len == 0)
		return 0;
	if ((waiting->buf = buf_get(len)) == NULL)
		return -1;
	memcpy(buf_data(waiting->buf), data, len);
	waiting->at = 0;
	waiting->len = (uint32_t)len;
	return 0;
}
