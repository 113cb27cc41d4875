/* SPDX-License-Identifier: MIT */
/*
 * A client's context remembers the last session of a few hosts, so that agents that all
 * come back at once resume instead of negotiating anew. A server's context keeps no
 * session: what it needs to resume one stands in the ticket that the client has, and it
 * can read it as long as it has the ticket's key: OpenSSL's random one, or one that other
 * servers have as well.
 */
#include "config.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error_text.h"
#include "net/crypto.h"
#include "net/tls_internal.h"
#include "net/tls_ticket.h"
#include "net/tls_trust.h"

#define REMEMBERED 8

/* 128 bits first, which is the fastest where the processor knows AES. */
#define SUITES_1_3                                                             \
	"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"                       \
	"TLS_CHACHA20_POLY1305_SHA256"
/* What a server takes: AEADs with forward secrecy. A client that puts ChaCha first has no
 * AES in its processor, and gets it. */
#define SUITES_1_2 "ECDHE+AESGCM+AES128:ECDHE+AESGCM:ECDHE+CHACHA20"

struct tls_context {
	SSL_CTX *ssl;
	struct tls_pins *pins;		/* NULL: none */
	struct tls_ticket_keys tickets; /* a server's */
	unsigned references;
	unsigned oldest; /* of remembered[] */
	struct {
		char host[TLS_HOST_MAX + 1];
		SSL_SESSION *session; /* NULL: none */
	} remembered[REMEMBERED];
};

static char context_error[512];

static void
forget(struct tls_context *context, unsigned i)
{
	SSL_SESSION_free(context->remembered[i].session);
	context->remembered[i].session = NULL;
	context->remembered[i].host[0] = '\0';
}

SSL_SESSION *
tls_context_recall(const struct tls_context *context, const char *host)
{
	for (unsigned i = 0; i < REMEMBERED; i++)
		if (strcmp(context->remembered[i].host, host) == 0)
			return context->remembered[i].session;
	return NULL;
}

/* Takes the session. */
static void
remember(struct tls_context *context, const char *host, SSL_SESSION *session)
{
	unsigned at = 0;

	while (
	    at < REMEMBERED && strcmp(context->remembered[at].host, host) != 0)
		at++;
	if (at == REMEMBERED) {
		at = context->oldest;
		context->oldest = (context->oldest + 1) % REMEMBERED;
	}
	forget(context, at);
	snprintf(context->remembered[at].host,
	    sizeof(context->remembered[at].host), "%s", host);
	context->remembered[at].session = session;
}

static int
new_session_cb(SSL *ssl, SSL_SESSION *session)
{
	struct tls *tls = SSL_get_app_data(ssl);
	SSL_SESSION *copy;

	/* a copy: OpenSSL writes to the connection's own when that fails, in whatever thread */
	if (!tls->isolated && (copy = SSL_SESSION_dup(session)) != NULL)
		remember(tls->context, tls->host, copy);
	return 0; /* the other stays OpenSSL's */
}

SSL_CTX *
tls_context_ssl(struct tls_context *context)
{
	return context->ssl;
}

const struct tls_ticket_keys *
tls_context_ticket_keys(const struct tls_context *context)
{
	return &context->tickets;
}

struct tls_context *
tls_context_hold(struct tls_context *context)
{
	context->references++;
	return context;
}

void
tls_context_keep_pins(struct tls_context *context, struct tls_pins *pins)
{
	context->pins = pins;
}

void
tls_context_free(struct tls_context **contextp)
{
	struct tls_context *context = *contextp;

	*contextp = NULL;
	if (context == NULL || --context->references > 0)
		return;
	for (unsigned i = 0; i < REMEMBERED; i++)
		forget(context, i);
	SSL_CTX_free(context->ssl);
	free(context->pins);
	crypto_wipe(&context->tickets, sizeof(context->tickets));
	free(context);
}

const char *
tls_queued_reason(void)
{
	unsigned long error = ERR_peek_error();
	const char *reason = ERR_GET_LIB(error) == ERR_LIB_SYS
	    ? error_text(ERR_GET_REASON(error))
	    : ERR_reason_error_string(error);

	return reason != NULL ? reason : "unknown error";
}

void
tls_context_explain(const char *what, const char *file, const char *why)
{
	snprintf(context_error, sizeof(context_error), "cannot load %s%s%s: %s",
	    what, file != NULL ? " from " : "", file != NULL ? file : "", why);
}

/* What both sides want. NULL: no memory. */
static struct tls_context *
context_new(const SSL_METHOD *method)
{
	struct tls_context *context = calloc(1, sizeof(*context));

	ERR_clear_error();
	if (context == NULL)
		return NULL;
	context->references = 1;
	context->ssl = SSL_CTX_new(method);
	if (context->ssl == NULL ||
	    SSL_CTX_set_min_proto_version(context->ssl, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(context->ssl, SUITES_1_3) != 1) {
		tls_context_free(&context);
		return NULL;
	}
	SSL_CTX_set_mode(context->ssl,
	    SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_options(
	    context->ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
#ifdef SSL_OP_IGNORE_UNEXPECTED_EOF
	/* Its session would be spoilt, and a relay that died is when resuming matters. */
	SSL_CTX_set_options(context->ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
#endif
	return context;
}

static int
load_trust(SSL_CTX *ssl, const char *ca_file)
{
	if (ca_file == NULL) {
		if (tls_trust_system(ssl) == 1)
			return 0;
		tls_context_explain("the system's trusted certificates", NULL,
		    tls_trust_error());
		return -1;
	}
	if (SSL_CTX_load_verify_locations(ssl, ca_file, NULL) == 1)
		return 0;
	tls_context_explain(
	    "trusted certificates", ca_file, tls_queued_reason());
	return -1;
}

struct tls_context *
tls_context_new_client(const char *ca_file, const char **error)
{
	struct tls_context *context = context_new(TLS_client_method());

	*error = "out of memory";
	if (context == NULL)
		return NULL;
	SSL_CTX_set_verify(context->ssl, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(
	    context->ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(context->ssl, new_session_cb);
	if (load_trust(context->ssl, ca_file) != 0) {
		*error = context_error;
		tls_context_free(&context);
		return NULL;
	}
	*error = NULL;
	return context;
}

struct tls_context *
tls_context_new_server(
    const char *certificate, const char *key, const char **error)
{
	struct tls_context *context = context_new(TLS_server_method());

	*error = "out of memory";
	if (context == NULL)
		return NULL;
	SSL_CTX_set_options(context->ssl,
	    SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(context->ssl, 1);
	if (SSL_CTX_set_cipher_list(context->ssl, SUITES_1_2) != 1)
		goto fail;
	if (tls_certificate_load(context->ssl, certificate, key) != 0) {
		*error = context_error;
		goto fail;
	}
	*error = NULL;
	return context;
fail:
	tls_context_free(&context);
	return NULL;
}

int
tls_context_use_certificate(struct tls_context *client, const char *certificate,
    const char *key, const char **error)
{
	ERR_clear_error();
	*error = context_error;
	return tls_certificate_load(client->ssl, certificate, key);
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
	tls_context_explain("revoked certificates", file, tls_queued_reason());
	return -1;
}

int
tls_context_ask_clients(struct tls_context *server,
    const struct tls_clients *clients, const char **error)
{
	STACK_OF(X509_NAME) * names;

	ERR_clear_error();
	*error = context_error;
	if (load_trust(server->ssl, clients->ca_file) != 0 ||
	    (clients->crl_file != NULL &&
		load_revoked(server->ssl, clients->crl_file) != 0))
		return -1;
	names = SSL_load_client_CA_file(clients->ca_file);
	if (names == NULL || bind_sessions(server->ssl, clients) != 0) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		tls_context_explain("trusted certificates", clients->ca_file,
		    tls_queued_reason());
		return -1;
	}
	SSL_CTX_set_client_CA_list(server->ssl, names);
	SSL_CTX_set_verify(server->ssl,
	    SSL_VERIFY_PEER |
		(clients->required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
	    NULL);
	return 0;
}

int
tls_context_share_tickets(struct tls_context *server,
    const uint8_t secret[TLS_TICKET_SECRET_LEN], uint64_t period_ms)
{
	memcpy(server->tickets.secret, secret, TLS_TICKET_SECRET_LEN);
	server->tickets.period_ms = period_ms;
	return tls_ticket_install(server->ssl);
}
