/* SPDX-License-Identifier: MIT */
/* Certificates that are made as the tests need them. */
#ifndef TAUPE_TESTS_NET_CERT_H
#define TAUPE_TESTS_NET_CERT_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#define DAY_S 86400

EVP_PKEY *cert_key_new(void);
/* names: "DNS:a,IP:b"; NULL: an authority. issuer NULL: signed by itself. */
X509 *cert_new(EVP_PKEY *key, const char *common_name, const char *names,
    X509 *issuer, long from_s, long until_s);
/* To a fresh file; path is a mkstemp() template. Either may be NULL. */
void cert_write(char *path, X509 *cert, EVP_PKEY *key);

#endif
