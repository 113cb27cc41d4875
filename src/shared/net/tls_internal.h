/* SPDX-License-Identifier: MIT */
/* What the files of TLS share: tls_context.c owns what connections have in common (trust,
 * remembered sessions), tls_certificate.c what it shows of itself, tls.c one connection,
 * tls_bio.c its way to the socket. */
#ifndef TAUPE_NET_TLS_INTERNAL_H
#define TAUPE_NET_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "net/tls.h"
#include "net/tls_bio.h"
#include "net/tls_pin.h"

#define TLS_HOST_MAX 255

struct tls_pins;
struct tls_ticket_keys;

struct tls {
	SSL *ssl;
	struct tls_context *context; /* one reference */
	struct tls_bio bio;
	char *error; /* why it failed; NULL: it has not, or there was no memory */
	bool established;
	bool failed;   /* OpenSSL forbids SSL_shutdown() then */
	bool said_bye; /* our close-notify is sealed */
	bool dry;      /* as tls_is_dry() says */
	bool isolated; /* its sessions are not remembered */
	char host[]; /* whom a client calls; "" for a server */
};

SSL_CTX *tls_context_ssl(struct tls_context *context);
struct tls_context *tls_context_hold(struct tls_context *context);
/* The session that this host gave last; NULL: none. The context's own. */
SSL_SESSION *tls_context_recall(
    const struct tls_context *context, const char *host);
/* The context frees them in the end. */
void tls_context_keep_pins(struct tls_context *context, struct tls_pins *pins);
/* The connection's error will be that its peer's key, with this pin, is none of ours. */
void tls_explain_unpinned(struct tls *tls, const struct tls_pin *seen);
const struct tls_ticket_keys *tls_context_ticket_keys(
    const struct tls_context *context);
/* Have the certificate and its key used; key NULL: it is in the certificate's file. -1: it was
 * explained. */
int tls_certificate_load(
    SSL_CTX *ssl, const char *certificate, const char *key);
/* The context's error for who asked for it: that something could not be loaded, and why. */
void tls_context_explain(const char *what, const char *file, const char *why);
/* The oldest error in the thread's queue as text. */
const char *tls_queued_reason(void);

#endif
