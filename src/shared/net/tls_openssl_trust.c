/* SPDX-License-Identifier: MIT */
/* What connections share, in OpenSSL's words: its protocols, whom it trusts, the sessions that it
 * is given, and a certificate of our own. */
#include "config.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "base/error_text.h"
#include "net/crypto.h"
#include "net/tls_library.h"
#include "net/tls_openssl.h"
#include "net/tls_openssl_system.h"

/* 128 bits first, which is the fastest where the processor knows AES. */
#define SUITES_1_3                                                             \
	"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"                       \
	"TLS_CHACHA20_POLY1305_SHA256"

const char *
openssl_queued_reason(void)
{
	unsigned long error = ERR_peek_error();
	const char *reason = ERR_GET_LIB(error) == ERR_LIB_SYS
	    ? error_text(ERR_GET_REASON(error))
	    : ERR_reason_error_string(error);

	return reason != NULL ? reason : "unknown error";
}

struct openssl_trust *
openssl_trust_new(const SSL_METHOD *method)
{
	struct openssl_trust *trust = calloc(1, sizeof(*trust));
	SSL_CTX *ssl;

	ERR_clear_error();
	if (trust == NULL)
		return NULL;
	trust->ssl = ssl = SSL_CTX_new(method);
	if (ssl == NULL ||
	    SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(ssl, SUITES_1_3) != 1) {
		tls_library_trust_free(trust);
		return NULL;
	}
	SSL_CTX_set_mode(ssl,
	    SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_options(
	    ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
#ifdef SSL_OP_IGNORE_UNEXPECTED_EOF
	/* Its session would be spoilt, and a relay that died is when resuming matters. */
	SSL_CTX_set_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
#endif
	return trust;
}

void
tls_library_trust_free(void *trust)
{
	struct openssl_trust *openssl = trust;

	SSL_CTX_free(openssl->ssl);
	crypto_wipe(&openssl->tickets, sizeof(openssl->tickets));
	free(openssl);
}

static int
new_session_cb(SSL *ssl, SSL_SESSION *session)
{
	struct tls *tls = SSL_get_app_data(ssl);
	SSL_SESSION *copy;

	/* a copy: OpenSSL writes to the connection's own when that fails, in whatever thread */
	if (!tls->isolated && (copy = SSL_SESSION_dup(session)) != NULL)
		tls_context_remember(tls, copy);
	return 0; /* the other stays OpenSSL's */
}

void
tls_library_session_free(void *session)
{
	SSL_SESSION_free(session);
}

void *
tls_library_trust_new_client(void)
{
	struct openssl_trust *trust = openssl_trust_new(TLS_client_method());

	if (trust == NULL)
		return NULL;
	SSL_CTX_set_verify(trust->ssl, SSL_VERIFY_PEER, openssl_look_cb);
	SSL_CTX_set_session_cache_mode(
	    trust->ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(trust->ssl, new_session_cb);
	return trust;
}

int
tls_library_trust_load(void *trust, const char *ca_file)
{
	struct openssl_trust *openssl = trust;

	ERR_clear_error();
	if (ca_file == NULL) {
		if (openssl_trust_system(openssl->ssl) == 1)
			return 0;
		tls_context_explain("the system's trusted certificates", NULL,
		    openssl_trust_error());
		return -1;
	}
	if (SSL_CTX_load_verify_locations(openssl->ssl, ca_file, NULL) == 1)
		return 0;
	tls_context_explain(
	    "trusted certificates", ca_file, openssl_queued_reason());
	return -1;
}

/* OpenSSL would ask for the password at the terminal. */
static int
no_password_cb(char *out, int size, int writing, void *arg)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)arg;
	return 0;
}

/* The end of what can be read is an error, too. */
static bool
is_at_end(void)
{
	unsigned long error = ERR_peek_last_error();

	return ERR_GET_LIB(error) == ERR_LIB_PEM &&
	    ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

static const char *
with_text(struct openssl_trust *trust, const char *pem, size_t len,
    const char *(*step)(SSL_CTX *ssl, BIO *text))
{
	BIO *text = BIO_new_mem_buf(pem, (int)len);
	const char *why = "out of memory";

	ERR_clear_error();
	if (text != NULL)
		why = step(trust->ssl, text);
	BIO_free(text);
	return why;
}

/* Like SSL_CTX_use_certificate_chain_file(). */
static const char *
use_chain(SSL_CTX *ssl, BIO *text)
{
	X509 *certificate =
	    PEM_read_bio_X509_AUX(text, NULL, no_password_cb, NULL);
	bool used = certificate != NULL &&
	    SSL_CTX_use_certificate(ssl, certificate) == 1 &&
	    ERR_peek_error() == 0;

	X509_free(certificate);
	if (!used || SSL_CTX_clear_chain_certs(ssl) != 1)
		return openssl_queued_reason();
	while ((certificate = PEM_read_bio_X509(
		    text, NULL, no_password_cb, NULL)) != NULL)
		if (SSL_CTX_add0_chain_cert(ssl, certificate) != 1) {
			X509_free(certificate);
			return openssl_queued_reason();
		}
	if (!is_at_end())
		return openssl_queued_reason();
	ERR_clear_error();
	return NULL;
}

static const char *
use_key(SSL_CTX *ssl, BIO *text)
{
	EVP_PKEY *key =
	    PEM_read_bio_PrivateKey(text, NULL, no_password_cb, NULL);
	int used;

	/* what the decoders of OpenSSL 3 say does not help anybody */
	if (key == NULL)
		return "there is none without a password in it";
	used = SSL_CTX_use_PrivateKey(ssl, key);
	EVP_PKEY_free(key);
	return used == 1 ? NULL : openssl_queued_reason();
}

const char *
tls_library_use_chain(void *trust, const char *pem, size_t len)
{
	return with_text(trust, pem, len, use_chain);
}

const char *
tls_library_use_key(void *trust, const char *pem, size_t len)
{
	return with_text(trust, pem, len, use_key);
}
