/* SPDX-License-Identifier: MIT */
/*
 * A certificate of our own, its chain and its private key, from PEM files. What OpenSSL reads
 * from a file by itself stays in the buffers of stdio, and the key may be in the file of the
 * certificate: both are read here, and wiped.
 */
#include "config.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "base/error_text.h"
#include "base/private_file.h"
#include "base/wipe.h"
#include "net/crypto_memory.h"
#include "net/tls_internal.h"

#define PEM_MAX (1u << 18) /* bytes of a file */

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

/* Hand a file's text to a step: NULL, or what is wrong. */
static const char *
with_text(SSL_CTX *ssl, const char *option, const char *file,
    const char *(*step)(SSL_CTX *ssl, BIO *text))
{
	const char *why = "out of memory";
	char *text = malloc(PEM_MAX);
	BIO *bio = NULL;
	long len;

	if (text == NULL)
		return why;
	if ((len = private_file_read(option, file, text, PEM_MAX)) < 0)
		why = error_text(errno);
	else if (len == PEM_MAX - 1)
		why = "it is too long";
	else if ((bio = BIO_new_mem_buf(text, (int)len)) != NULL)
		why = step(ssl, bio);
	BIO_free(bio);
	wipe(text, len > 0 ? (size_t)len : 0);
	free(text);
	return why;
}

/* The end of what can be read is an error, too. */
static bool
is_at_end(void)
{
	unsigned long error = ERR_peek_last_error();

	return ERR_GET_LIB(error) == ERR_LIB_PEM &&
	    ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
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
		return tls_queued_reason();
	while ((certificate = PEM_read_bio_X509(
		    text, NULL, no_password_cb, NULL)) != NULL)
		if (SSL_CTX_add0_chain_cert(ssl, certificate) != 1) {
			X509_free(certificate);
			return tls_queued_reason();
		}
	if (!is_at_end())
		return tls_queued_reason();
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
	return used == 1 ? NULL : tls_queued_reason();
}

int
tls_certificate_load(SSL_CTX *ssl, const char *certificate, const char *key)
{
	const char *why;
	bool has_key = key == NULL;

	if (has_key)
		key = certificate;
	crypto_memory_wipe(true);
	why = with_text(
	    ssl, has_key ? "tls_certificate" : NULL, certificate, use_chain);
	if (why != NULL)
		tls_context_explain("a certificate", certificate, why);
	else if ((why = with_text(
		      ssl, has_key ? NULL : "tls_key", key, use_key)) != NULL)
		tls_context_explain("the certificate's private key", key, why);
	crypto_memory_wipe(false);
	return why == NULL ? 0 : -1;
}
