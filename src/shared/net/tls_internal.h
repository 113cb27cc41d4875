/* SPDX-License-Identifier: MIT */
/* What the files of TLS share, whatever the library: tls_context.c owns what connections have in
 * common (trust, remembered sessions), tls_certificate.c what it shows of itself, tls.c one
 * connection, tls_bio.c its way to the socket; behind tls_library.h is the library. */
#ifndef TAUPE_NET_TLS_INTERNAL_H
#define TAUPE_NET_TLS_INTERNAL_H

#include "net/tls.h"
#include "net/tls_bio.h"
#include "net/tls_pin.h"
#include "wire/str.h"

#define TLS_HOST_MAX 255

struct tls_pins;

struct tls {
	void *engine;		     /* the library's */
	struct tls_context *context; /* one reference */
	struct tls_bio bio;
	char *issuer; /* of a certificate that is not believed; NULL: not known */
	char *error; /* why it failed; NULL: it has not, or there was no memory */
	bool established;
	bool failed;   /* and nothing is asked of the library any more */
	bool said_bye; /* our close-notify is sealed */
	bool dry;      /* as tls_is_dry() says */
	bool isolated; /* its sessions are not remembered */
	char host[]; /* whom a client calls; "" for a server */
};

/* Why a peer is not believed, for what a person can do about it. */
enum tls_doubt {
	TLS_DOUBT_OTHER,
	TLS_DOUBT_TOO_EARLY, /* not in force yet */
	TLS_DOUBT_EXPIRED,
	TLS_DOUBT_OTHER_HOST, /* it is for other names or addresses */
	TLS_DOUBT_UNKNOWN,    /* nobody that is trusted has signed it */
	TLS_DOUBT_UNPINNED,   /* and tls_explain_unpinned() has said so */
};

/* One without an engine; host is empty for a server. NULL: no memory. */
struct tls *tls_new(struct tls_context *context, struct str host);
/* The connection has failed: "TLS with HOST failed: why". */
void tls_fail_with(struct tls *tls, const char *why);
/* The same for "certificate verify failed for HOST: why", and what to do about it. */
void tls_fail_verification(
    struct tls *tls, enum tls_doubt doubt, const char *why);
/* Who has issued the certificate that will not be believed, to be told with the error. */
void tls_note_issuer(struct tls *tls, const char *issuer);
/* The connection's error will be that its peer's key, with this pin, is none of ours. */
void tls_explain_unpinned(struct tls *tls, const struct tls_pin *seen);
/* That the peer has ended the connection where nothing but reading can meet an end. */
enum tls_result tls_fail_ended(struct tls *tls, int error);

/* A context around a library's part, which it owns from now on; NULL is no memory, as is the
 * result then. */
struct tls_context *tls_context_wrap(void *trust);
void *tls_context_trust(const struct tls_context *context);
struct tls_context *tls_context_hold(struct tls_context *context);
/* Keep what a host gave, unless the connection is isolated. Takes the session. */
void tls_context_remember(struct tls *tls, void *session);
/* The session that this host gave last; NULL: none. The context's own. */
void *tls_context_recall(const struct tls_context *context, const char *host);
const struct tls_pins *tls_context_pins(const struct tls_context *context);
/* The context frees them in the end. */
void tls_context_keep_pins(struct tls_context *context, struct tls_pins *pins);
bool tls_pins_contain(
    const struct tls_pins *pins, const struct tls_pin *pin);
/* The pin of a SubjectPublicKeyInfo (DER). */
void tls_pin_of(const void *key, size_t len, struct tls_pin *pin);
/* Have the certificate and its key used; key NULL: it is in the certificate's file. -1: it was
 * explained. */
int tls_certificate_load(
    void *trust, const char *certificate, const char *key);
/* The context's error for who asked for it: that something could not be loaded, and why. */
void tls_context_explain(const char *what, const char *file, const char *why);
const char *tls_context_error(void);

#endif
