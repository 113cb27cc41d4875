/* SPDX-License-Identifier: MIT */
/*
 * Each byte is copied once more than a library at the socket would have it, which costs
 * less than its two receives and one send for each record of 16 KB.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "net/socket.h"
#include "net/tls_bio.h"

bool
tls_bio_must_wait(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK;
}

/* Take `len` bytes off the front of a buffer with one span; gives an empty one back. */
static void
consume(struct buf **buf, size_t len)
{
	struct buf_span *span = &(*buf)->span[0];

	span->offset += (uint32_t)len;
	span->length -= (uint32_t)len;
	if (span->length == 0)
		buf_put(buf);
}

/* Fill bio->in: the count, 0 at the end, or -1 with errno. */
static ssize_t
receive(struct tls_bio *bio)
{
	ssize_t got;

	if (bio->dry) {
		errno = EAGAIN;
		return -1;
	}
	if ((bio->in = buf_get(BUF_SEALED)) == NULL) {
		errno = ENOMEM;
		return -1;
	}
	do
		got = socket_receive(bio->fd, buf_data(bio->in), BUF_SEALED);
	while (got < 0 && errno == EINTR);
	bio->dry = got > 0 && got < BUF_SEALED;
	bio->ended = got == 0;
	if (got > 0)
		buf_add_span(bio->in, BUF_HEADROOM, (uint32_t)got);
	else
		buf_put(&bio->in);
	return got;
}

ssize_t
tls_bio_receive(struct tls_bio *bio, void *out, size_t cap)
{
	const struct buf_span *span;
	size_t len = cap;

	if (bio->in == NULL) {
		ssize_t got = receive(bio);

		if (got <= 0)
			return got;
	}
	span = &bio->in->span[0];
	if (len > span->length)
		len = span->length;
	memcpy(out, bio->in->space + span->offset, len);
	consume(&bio->in, len);
	return (ssize_t)len;
}

/* Where what is sealed ends. */
static size_t
sealed_end(const struct buf *buf)
{
	return buf->n_spans > 0 ? buf->span[0].offset + buf->span[0].length
				: BUF_HEADROOM;
}

static size_t
free_room(const struct buf *buf)
{
	return BUF_HEADROOM + buf->capacity - sealed_end(buf);
}

static void
append(struct buf *buf, const void *data, size_t len)
{
	size_t end = sealed_end(buf);

	memcpy(buf->space + end, data, len);
	buf_add_span(buf, (uint32_t)end, (uint32_t)len);
}

/* What is sealed moves to a large buffer, when a small one cannot take `len` more: else the
 * small one would travel alone. NULL left: no memory. */
static void
enlarge(struct tls_bio *bio, size_t len)
{
	struct buf *small = bio->out;
	const struct buf_span *span = &small->span[0];

	if (small->capacity > BUF_SMALL || free_room(small) >= len)
		return;
	if ((bio->out = buf_get(BUF_SEALED)) != NULL)
		append(bio->out, small->space + span->offset, span->length);
	buf_put(&small);
}

/* See to a bio->out that has room, best for `len` bytes; -1 with errno. */
static int
make_room(struct tls_bio *bio, size_t len)
{
	if (bio->out != NULL)
		enlarge(bio, len);
	else
		bio->out = buf_get(len <= BUF_SMALL ? len : BUF_SEALED);
	if (bio->out == NULL) {
		errno = ENOMEM;
		return -1;
	}
	if (free_room(bio->out) > 0)
		return 0;
	if (tls_bio_flush(bio) != TLS_OK)
		return -1;
	return make_room(bio, len);
}

int
tls_bio_reserve(struct tls_bio *bio, size_t len)
{
	assert(len <= BUF_SEALED);
	if (make_room(bio, len) != 0)
		return -1;
	if (free_room(bio->out) >= len)
		return 0;
	return tls_bio_flush(bio) == TLS_OK ? make_room(bio, len) : -1;
}

ssize_t
tls_bio_seal(struct tls_bio *bio, const void *data, size_t len)
{
	size_t taken = len;

	if (len == 0)
		return 0;
	if (make_room(bio, len) != 0)
		return -1;
	if (taken > free_room(bio->out))
		taken = free_room(bio->out);
	append(bio->out, data, taken);
	return (ssize_t)taken;
}

enum tls_result
tls_bio_flush(struct tls_bio *bio)
{
	while (bio->out != NULL) {
		const struct buf_span *span = &bio->out->span[0];
		ssize_t sent = socket_send(
		    bio->fd, bio->out->space + span->offset, span->length, 0);

		if (sent >= 0)
			consume(&bio->out, (size_t)sent);
		else if (tls_bio_must_wait(errno))
			return TLS_WANT_WRITE;
		else if (errno != EINTR)
			return TLS_FAILED;
	}
	return TLS_OK;
}

size_t
tls_bio_unsent(const struct tls_bio *bio)
{
	return bio->out != NULL ? buf_pending(bio->out) : 0;
}

void
tls_bio_fini(struct tls_bio *bio)
{
	buf_put(&bio->in);
	buf_put(&bio->out);
}
