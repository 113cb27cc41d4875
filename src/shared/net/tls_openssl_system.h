/* SPDX-License-Identifier: MIT */
/* The authorities that the system trusts, for OpenSSL. */
#ifndef TAUPE_NET_TLS_OPENSSL_SYSTEM_H
#define TAUPE_NET_TLS_OPENSSL_SYSTEM_H

#include <openssl/ssl.h>

/* Trust who the system trusts; 1, or 0, and the second function is the text that says why not. */
int openssl_trust_system(SSL_CTX *ssl);
const char *openssl_trust_error(void);

#endif
