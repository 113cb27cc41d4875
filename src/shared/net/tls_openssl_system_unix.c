/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdlib.h>

#include "net/ca_places.h"
#include "net/tls_openssl_system.h"

static bool
load_authorities_cb(void *ctx, const char *file)
{
	bool loaded = SSL_CTX_load_verify_locations(ctx, file, NULL) == 1;

	ERR_clear_error(); /* a folder holds other files, too */
	return loaded;
}

/* OpenSSL's own places, from which it reads what it needs when it needs it; else, unless the
 * environment names them, those where other systems have them. */
int
openssl_trust_system(SSL_CTX *ssl)
{
	if (getenv(X509_get_default_cert_file_env()) != NULL ||
	    getenv(X509_get_default_cert_dir_env()) != NULL ||
	    ca_place_exists(X509_get_default_cert_file()) ||
	    ca_place_exists(X509_get_default_cert_dir()))
		return SSL_CTX_set_default_verify_paths(ssl);
	return ca_places_load(load_authorities_cb, ssl) != NULL;
}

const char *
openssl_trust_error(void)
{
	return ca_places_error();
}
