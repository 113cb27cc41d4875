/* SPDX-License-Identifier: MIT */
/*
 * The library's way to the socket. A library of TLS asks for a header, then for a record, and
 * hands over one record at a time; the system is asked for as much as there is, and given as much
 * as was sealed. A connection owns a buffer only while there is something in it.
 *
 * For that the library must not touch the socket itself, which the kernel's TLS
 * (SSL_OP_ENABLE_KTLS) depends on: the two exclude each other.
 */
#ifndef TAUPE_NET_TLS_BIO_H
#define TAUPE_NET_TLS_BIO_H

#include <stdbool.h>
#include <sys/types.h>

#include "net/buf.h"
#include "net/tls.h"

struct tls_bio {
	struct buf *in;	 /* received, and the library has not taken it; NULL: nothing */
	struct buf *out; /* sealed and not sent; NULL: nothing */
	evutil_socket_t fd;
	bool dry;   /* a short receive has emptied the socket: none until this is cleared */
	bool ended; /* the peer's end was received */
};

/* For the library: bytes that have come, cap at most: the count, 0 at the end, -1 with errno. */
ssize_t tls_bio_receive(struct tls_bio *bio, void *out, size_t cap);
/* For the library: take what is sealed, as much of it as there is room for (what is there is
 * sent for it, no more): the count, or -1 with errno. */
ssize_t tls_bio_seal(struct tls_bio *bio, const void *data, size_t len);
/* See to it that so many bytes (BUF_SEALED at most) will be taken at once; -1 with errno. */
int tls_bio_reserve(struct tls_bio *bio, size_t len);
/* Does this errno of them mean that the socket must be waited for? */
bool tls_bio_must_wait(int error);
/* Send what is sealed: TLS_OK when all is sent, TLS_WANT_WRITE, TLS_FAILED with errno. */
enum tls_result tls_bio_flush(struct tls_bio *bio);
size_t tls_bio_unsent(const struct tls_bio *bio);
void tls_bio_fini(struct tls_bio *bio);

#endif
