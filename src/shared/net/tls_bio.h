/* SPDX-License-Identifier: MIT */
/*
 * OpenSSL's way to the socket. OpenSSL asks for a header, then for a record, and hands over
 * one record at a time; the system is asked for as much as there is, and given as much
 * as was sealed. A connection owns a buffer only while there is something in it.
 *
 * For that OpenSSL must not touch the socket itself, which the kernel's TLS
 * (SSL_OP_ENABLE_KTLS) depends on: the two exclude each other.
 */
#ifndef TAUPE_NET_TLS_BIO_H
#define TAUPE_NET_TLS_BIO_H

#include <openssl/bio.h>
#include <stdbool.h>

#include "net/buf.h"
#include "net/tls.h"

struct tls_bio {
	struct buf *in;	 /* received, and OpenSSL has not taken it; NULL: nothing */
	struct buf *out; /* sealed and not sent; NULL: nothing */
	evutil_socket_t fd;
	bool dry;   /* a short receive has emptied the socket: none until this is cleared */
	bool ended; /* the peer's end was received */
};

/* What OpenSSL reads from and writes to. It must not outlive the struct, which stays where
 * it is. NULL: no memory. */
BIO *tls_bio_new(struct tls_bio *bio, evutil_socket_t fd);
/* Send what is sealed: TLS_OK when all is sent, TLS_WANT_WRITE, TLS_FAILED with errno. */
enum tls_result tls_bio_flush(struct tls_bio *bio);
size_t tls_bio_unsent(const struct tls_bio *bio);
void tls_bio_fini(struct tls_bio *bio);

#endif
