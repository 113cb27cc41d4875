/* SPDX-License-Identifier: MIT */
/* What the files share that put OpenSSL behind tls_library.h: tls_openssl.c is a connection,
 * tls_openssl_bio.c its way to tls_bio, tls_openssl_trust.c what a client's connections share,
 * tls_openssl_verify.c whom they believe, and for the daemons tls_openssl_server.c, _ticket.c and
 * _peer.c. */
#ifndef TAUPE_NET_TLS_OPENSSL_H
#define TAUPE_NET_TLS_OPENSSL_H

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "net/tls_internal.h"
#include "net/tls_openssl_ticket.h"

struct openssl_trust {
	SSL_CTX *ssl;
	struct tls_ticket_keys tickets; /* a server's */
};

static inline SSL *
tls_ssl(const struct tls *tls)
{
	return tls->engine;
}

static inline SSL_CTX *
tls_context_ssl(const struct tls_context *context)
{
	struct openssl_trust *trust = tls_context_trust(context);

	return trust->ssl;
}

/* What both sides want. NULL: no memory. */
struct openssl_trust *openssl_trust_new(const SSL_METHOD *method);
/* The peer must be who we meant to call: by name (RFC 6125) or by address. -1: no memory. */
int openssl_expect_host(SSL *ssl, const char *host);
/* An OpenSSL callback, of each certificate: whose it is that is not believed, is noted. */
int openssl_look_cb(int right, X509_STORE_CTX *store);
/* Verification said no, and this is why. */
void openssl_fail_verification(struct tls *tls, long verdict);
/* What OpenSSL reads from and writes to. It must not outlive the struct, which stays where
 * it is. NULL: no memory. */
BIO *openssl_bio_new(struct tls_bio *bio);
/* The oldest error in the thread's queue as text. */
const char *openssl_queued_reason(void);

#endif
