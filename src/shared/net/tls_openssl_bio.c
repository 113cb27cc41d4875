/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <errno.h>

#include "net/tls_openssl.h"

static int
read_cb(BIO *handle, char *out, int cap)
{
	ssize_t got = tls_bio_receive(BIO_get_data(handle), out, (size_t)cap);

	BIO_clear_retry_flags(handle);
	if (got < 0 && tls_bio_must_wait(errno))
		BIO_set_retry_read(handle);
	return (int)got;
}

static int
write_cb(BIO *handle, const char *data, int len)
{
	ssize_t taken = 0;

	BIO_clear_retry_flags(handle);
	if (len > 0)
		taken = tls_bio_seal(BIO_get_data(handle), data, (size_t)len);
	if (taken < 0 && tls_bio_must_wait(errno))
		BIO_set_retry_write(handle);
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
openssl_bio_new(struct tls_bio *bio)
{
	const BIO_METHOD *how = method();
	BIO *handle = how != NULL ? BIO_new(how) : NULL;

	if (handle == NULL)
		return NULL;
	BIO_set_data(handle, bio);
	BIO_set_init(handle, 1);
	return handle;
}
