/* SPDX-License-Identifier: MIT */
/* A server's context. It keeps no session: what it needs to resume one stands in the ticket that
 * the client has, and it can read it as long as it has the ticket's key: OpenSSL's random one, or
 * one that other servers have as well. */
#include "config.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "net/tls_library.h"
#include "net/tls_openssl.h"

/* What a server takes: AEADs with forward secrecy. A client that puts ChaCha first has no
 * AES in its processor, and gets it. */
#define SUITES_1_2 "ECDHE+AESGCM+AES128:ECDHE+AESGCM:ECDHE+CHACHA20"

struct tls_context *
tls_context_new_server(
    const char *certificate, const char *key, const char **error)
{
	struct tls_context *context =
	    tls_context_wrap(openssl_trust_new(TLS_server_method()));
	SSL_CTX *ssl;

	*error = "out of memory";
	if (context == NULL)
		return NULL;
	ssl = tls_context_ssl(context);
	SSL_CTX_set_options(
	    ssl, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ssl, 1);
	if (SSL_CTX_set_cipher_list(ssl, SUITES_1_2) != 1)
		goto fail;
	if (tls_certificate_load(
		tls_context_trust(context), certificate, key) != 0) {
		*error = tls_context_error();
		goto fail;
	}
	*error = NULL;
	return context;
fail:
	tls_context_free(&context);
	return NULL;
}

/* Add a file to the digest of what sessions were made under. */
static int
digest_file(EVP_MD_CTX *digest, const char *path)
{
	FILE *file = fopen(path, "rbe");
	unsigned char piece[4096];
	size_t got;
	int result = -1;

	if (file == NULL)
		return -1;
	while ((got = fread(piece, 1, sizeof(piece), file)) > 0)
		EVP_DigestUpdate(digest, piece, got);
	if (!ferror(file))
		result = 0;
	fclose(file);
	return result;
}

/* The client's certificate is not looked at again when its session is resumed: that must
 * end when what it was judged by changes. */
static int
bind_sessions(SSL_CTX *ssl, const struct tls_clients *clients)
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	unsigned char context[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	int result = -1;

	if (digest != NULL &&
	    EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
	    digest_file(digest, clients->ca_file) == 0 &&
	    (clients->crl_file == NULL ||
		digest_file(digest, clients->crl_file) == 0) &&
	    EVP_DigestFinal_ex(digest, context, &len) == 1 &&
	    SSL_CTX_set_session_id_context(ssl, context, len) == 1)
		result = 0;
	EVP_MD_CTX_free(digest);
	return result;
}

static int
load_revoked(SSL_CTX *ssl, const char *file)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ssl);
	X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());

	if (lookup != NULL &&
	    X509_load_crl_file(lookup, file, X509_FILETYPE_PEM) > 0 &&
	    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK) == 1)
		return 0;
	tls_context_explain(
	    "revoked certificates", file, openssl_queued_reason());
	return -1;
}

int
tls_context_ask_clients(struct tls_context *server,
    const struct tls_clients *clients, const char **error)
{
	SSL_CTX *ssl = tls_context_ssl(server);
	STACK_OF(X509_NAME) * names;

	*error = tls_context_error();
	if (tls_library_trust_load(
		tls_context_trust(server), clients->ca_file) != 0 ||
	    (clients->crl_file != NULL &&
		load_revoked(ssl, clients->crl_file) != 0))
		return -1;
	names = SSL_load_client_CA_file(clients->ca_file);
	if (names == NULL || bind_sessions(ssl, clients) != 0) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		tls_context_explain("trusted certificates", clients->ca_file,
		    openssl_queued_reason());
		return -1;
	}
	SSL_CTX_set_client_CA_list(ssl, names);
	SSL_CTX_set_verify(ssl,
	    SSL_VERIFY_PEER |
		(clients->required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
	    NULL);
	return 0;
}

int
tls_context_share_tickets(struct tls_context *server,
    const uint8_t secret[TLS_TICKET_SECRET_LEN], uint64_t period_ms)
{
	struct openssl_trust *trust = tls_context_trust(server);

	memcpy(trust->tickets.secret, secret, TLS_TICKET_SECRET_LEN);
	trust->tickets.period_ms = period_ms;
	return tls_ticket_install(trust->ssl);
}
