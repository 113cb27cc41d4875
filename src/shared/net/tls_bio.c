/* SPDX-License-Identifier: MIT */
/*
 * Each byte is copied once more than OpenSSL's own socket BIO would have it, which costs
 * less than its two receives and one send for each record of 16 KB.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "net/socket.h"
#include "net/tls_bio.h"

static bool
is_again(int error)
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

static int
read_cb(BIO *handle, char *out, int cap)
{
	struct tls_bio *bio = BIO_get_data(handle);
	const struct buf_span *span;
	size_t len = (size_t)cap;

	BIO_clear_retry_flags(handle);
	if (bio->in == NULL) {
		ssize_t got = receive(bio);

		if (got < 0 && is_again(errno))
			BIO_set_retry_read(handle);
		if (got <= 0)
			return (int)got;
	}
	span = &bio->in->span[0];
	if (len > span->length)
		len = span->length;
	memcpy(out, bio->in->space + span->offset, len);
	consume(&bio->in, len);
	return (int)len;
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

static int
write_cb(BIO *handle, const char *data, int len)
{
	struct tls_bio *bio = BIO_get_data(handle);
	size_t taken = (size_t)len;

	BIO_clear_retry_flags(handle);
	if (len <= 0)
		return 0;
	if (make_room(bio, taken) != 0) {
		if (is_again(errno))
			BIO_set_retry_write(handle);
		return -1;
	}
	if (taken > free_room(bio->out))
		taken = free_room(bio->out);
	append(bio->out, data, taken);
	return (int)taken;
}

/* OpenSSL flushes after each flight of the handshake; sending is left to tls_bio_flush(). */
static long
ctrl_cb(BIO *handle, int command, long number, void *pointer)
{
	const struct tls_bio *bio = BIO_get_data(handle);

	(void)number;
	(void)pointer;
	switch (command) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_EOF:
		return bio->ended;
	default:
		return 0;
	}
}

/* One for all connections, for ever. */
static const BIO_METHOD *
method(void)
{
	static BIO_METHOD *made;

	if (made == NULL &&
	    (made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK,
		 "taupe")) != NULL) {
		BIO_meth_set_read(made, read_cb);
		BIO_meth_set_write(made, write_cb);
		BIO_meth_set_ctrl(made, ctrl_cb);
	}
	return made;
}

BIO *
tls_bio_new(struct tls_bio *bio, evutil_socket_t fd)
{
	const BIO_METHOD *how = method();
	BIO *handle = how != NULL ? BIO_new(how) : NULL;

	if (handle == NULL)
		return NULL;
	bio->fd = fd;
	BIO_set_data(handle, bio);
	BIO_set_init(handle, 1);
	return handle;
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
		else if (is_again(errno))
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
