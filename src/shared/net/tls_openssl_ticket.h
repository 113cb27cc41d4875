/* SPDX-License-Identifier: MIT */
/*
 * Session tickets that each server with the same secret can read. Their keys follow from
 * the secret and from the number of the period that the wall clock is in, so that they
 * change without anybody telling anybody; those of the periods before and after are
 * accepted as well.
 */
#ifndef TAUPE_NET_TLS_OPENSSL_TICKET_H
#define TAUPE_NET_TLS_OPENSSL_TICKET_H

#include <openssl/ssl.h>

#include "net/tls.h"

struct tls_ticket_keys {
	uint8_t secret[TLS_TICKET_SECRET_LEN];
	uint64_t period_ms; /* 0: none are shared */
};

/* Use the keys of the connection's context. -1: no memory. */
int tls_ticket_install(SSL_CTX *ssl);

#endif
