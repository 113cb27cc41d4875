/* SPDX-License-Identifier: MIT */
/* OpenSSL was built for the place where the system has them; SSL_CERT_FILE and SSL_CERT_DIR name
 * another. */
#include "config.h"

#include "net/tls_trust.h"

int
tls_trust_system(SSL_CTX *ssl)
{
	return SSL_CTX_set_default_verify_paths(ssl);
}
