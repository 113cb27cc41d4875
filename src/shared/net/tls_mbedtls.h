/* SPDX-License-Identifier: MIT */
/* What the files share that put Mbed TLS (2.28) behind tls_library.h: tls_mbedtls.c is a
 * connection, tls_mbedtls_trust.c what connections share, tls_mbedtls_authorities.c reads whom they
 * trust, tls_mbedtls_verify.c says whom they believe. */
#ifndef TAUPE_NET_TLS_MBEDTLS_H
#define TAUPE_NET_TLS_MBEDTLS_H

#include <mbedtls/ssl.h>

#include "net/address.h"
#include "net/tls_internal.h"

struct mbedtls_trust {
	mbedtls_ssl_config conf;
	mbedtls_x509_crt authorities;
	bool system; /* the system's are trusted, and read when a peer is verified */
	mbedtls_x509_crt certificate; /* our own, and its chain */
	mbedtls_pk_context key;
};

struct mbedtls_engine {
	mbedtls_ssl_context ssl;
	int error;	  /* errno of the socket, for MBEDTLS_ERR_NET_*; else 0 */
	bool ended;	  /* the peer said that nothing will come any more */
	bool by_address;  /* who is called: this address, and not tls->host */
	bool pinned;	  /* a certificate of the chain has a key that is pinned */
	bool unpinned;	  /* verified, and none has */
	bool self_signed; /* the peer's certificate */
	uint32_t flags;	  /* MBEDTLS_X509_BADCERT_*, of the whole chain */
	struct address address;
};

/* What either side wants. NULL: no memory. */
struct mbedtls_trust *mbedtls_trust_new(int endpoint);
/* An engine on the context's trust. -1: no memory. */
int mbedtls_engine_begin(struct tls *tls);
/* Add the authorities of a PEM file; NULL, or what is wrong. */
const char *mbedtls_authorities_read(
    mbedtls_x509_crt *authorities, const char *file);
/* Add those of the system's that a certificate of this chain names as its issuer. */
const char *mbedtls_authorities_read_system(
    mbedtls_x509_crt *authorities, const mbedtls_x509_crt *chain);
/* NULL: the system has some. */
const char *mbedtls_authorities_look_for_system(void);
/* The peer must be tls->host, and have a key that is pinned if any is. -1: no memory. */
int mbedtls_expect_host(struct tls *tls);
/* Verification said no, and this is why. */
void mbedtls_fail_verification(struct tls *tls);
/* Could a certificate not be read because its key or signature is of a kind (Ed25519) that this Mbed
 * TLS does not have? */
bool mbedtls_lacks_kind(int error);
/* An error of Mbed TLS as text. */
const char *mbedtls_reason(const struct tls *tls, int error);

#endif
