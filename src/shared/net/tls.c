/* SPDX-License-Identifier: MIT */
/*
 * One connection: when the library is asked, when the socket is, and what a failure is called.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error_text.h"
#include "net/tls_internal.h"
#include "net/tls_library.h"

#define ISSUER_MAX 100
#define ERROR_TEXT_MAX (TLS_HOST_MAX + ISSUER_MAX + 257)

struct tls *
tls_new(struct tls_context *context, struct str host)
{
	struct tls *tls = calloc(1, sizeof(*tls) + host.len + 1);

	if (tls == NULL)
		return NULL;
	if (host.len > 0)
		memcpy(tls->host, host.ptr, host.len);
	tls->context = tls_context_hold(context);
	return tls;
}

struct tls *
tls_new_client(struct tls_context *context, const char *host)
{
	struct str name = str_of(host);
	struct tls *tls;

	/* A final dot is for the name server; certificates and SNI have none. */
	if (name.len > 1 && name.ptr[name.len - 1] == '.')
		name.len--;
	if (name.len == 0 || name.len > TLS_HOST_MAX ||
	    (tls = tls_new(context, name)) == NULL)
		return NULL;
	if (tls_library_begin_client(
		tls, tls_context_recall(context, tls->host)) != 0)
		tls_free(&tls);
	return tls;
}

void
tls_free(struct tls **tlsp)
{
	struct tls *tls = *tlsp;

	if (tls == NULL)
		return;
	*tlsp = NULL;
	if (tls->engine != NULL)
		tls_library_end(tls);
	tls_bio_fini(&tls->bio);
	tls_context_free(&tls->context);
	free(tls->error);
	free(tls->issuer);
	free(tls);
}

static void
fail_text(struct tls *tls, const char *text)
{
	tls->failed = true;
	free(tls->error);
	tls->error = strdup(text);
}

void
tls_fail_with(struct tls *tls, const char *why)
{
	char text[ERROR_TEXT_MAX];

	snprintf(text, sizeof(text), "TLS%s%s failed: %s",
	    tls->host[0] != '\0' ? " with " : "", tls->host, why);
	fail_text(tls, text);
}

/* What a person can do about it. A device without a clock of its own wakes up in 1970. */
static const char *
hint_for(enum tls_doubt doubt)
{
	switch (doubt) {
	case TLS_DOUBT_TOO_EARLY:
		return " (is the clock right?)";
	case TLS_DOUBT_EXPIRED:
		return " (renew it at the peer; is the clock right?)";
	case TLS_DOUBT_OTHER_HOST:
		return " (it is for other names: call the peer by one of them)";
	case TLS_DOUBT_UNKNOWN:
		return " (nobody in ca_file, or in the system's store, "
		       "vouches for it)";
	default:
		return "";
	}
}

void
tls_fail_verification(struct tls *tls, enum tls_doubt doubt, const char *why)
{
	char text[ERROR_TEXT_MAX], issuer[ISSUER_MAX + 20] = "";

	if (tls->issuer != NULL && doubt == TLS_DOUBT_UNKNOWN)
		snprintf(issuer, sizeof(issuer), "; issued by \"%.*s\"",
		    ISSUER_MAX, tls->issuer);
	if (doubt == TLS_DOUBT_UNPINNED && tls->error != NULL) {
		tls->failed = true; /* and it was said why */
		return;
	}
	snprintf(text, sizeof(text), "certificate verify failed for %s: %s%s%s",
	    tls->host, why, hint_for(doubt), issuer);
	fail_text(tls, text);
}

void
tls_note_issuer(struct tls *tls, const char *issuer)
{
	free(tls->issuer);
	tls->issuer = strdup(issuer);
}

void
tls_explain_unpinned(struct tls *tls, const struct tls_pin *seen)
{
	char text[ERROR_TEXT_MAX], pin[TLS_PIN_TEXT_MAX];

	snprintf(text, sizeof(text),
	    "no pin matches for %s: its key is %s (if that is right, add it "
	    "as a pin)",
	    tls->host, tls_pin_text(seen, pin));
	free(tls->error);
	tls->error = strdup(text);
}

enum tls_result
tls_fail_ended(struct tls *tls, int error)
{
	tls_fail_with(
	    tls, error != 0 ? error_text(error) : "the connection was closed");
	return TLS_FAILED;
}

void
tls_isolate(struct tls *tls)
{
	tls->isolated = true;
}

int
tls_set_fd(struct tls *tls, evutil_socket_t fd)
{
	tls->bio.fd = fd;
	if (tls_library_bind(tls) == 0)
		return 0;
	tls_fail_with(tls, "out of memory");
	return -1;
}

enum tls_result
tls_flush(struct tls *tls)
{
	enum tls_result result;

	if (tls->failed)
		return TLS_FAILED;
	result = tls_bio_flush(&tls->bio);
	if (result == TLS_FAILED)
		tls_fail_with(tls, error_text(errno));
	return result;
}

size_t
tls_unsent(const struct tls *tls)
{
	return tls_bio_unsent(&tls->bio);
}

/* That nothing came at all, and no end either, only a receive can say: a short one before it
 * cannot. */
static bool
must_ask(struct tls *tls, enum tls_result result)
{
	bool was_dry = tls->bio.dry;

	tls->bio.dry = false;
	return result == TLS_WANT_READ && was_dry;
}

enum tls_result
tls_handshake(struct tls *tls)
{
	enum tls_result result, sent;

	if (tls->failed)
		return TLS_FAILED;
	do
		result = tls_library_handshake(tls);
	while (must_ask(tls, result));
	if (result == TLS_FAILED) {
		(void)tls_bio_flush(&tls->bio); /* the peer is told why */
		return TLS_FAILED;
	}
	tls->established = result == TLS_OK;
	if ((sent = tls_flush(tls)) == TLS_FAILED)
		return TLS_FAILED;
	return tls->established || sent == TLS_OK ? result : sent;
}

/* Nothing is left of what was received, and a receive would say that there is no more. */
static bool
is_empty(const struct tls *tls)
{
	return tls->bio.dry && tls->bio.in == NULL &&
	    !tls_library_is_pending(tls);
}

enum tls_result
tls_read(struct tls *tls, void *out, size_t cap, size_t *done)
{
	enum tls_result result;

	assert(cap > 0);
	*done = 0;
	if (tls->failed)
		return TLS_FAILED;
	tls->bio.dry = false;
	do {
		size_t got = 0;

		result = tls_library_read(
		    tls, (char *)out + *done, cap - *done, &got);
		*done += got;
	} while (result == TLS_OK ? *done < cap && !is_empty(tls)
				  : *done == 0 && must_ask(tls, result));
	tls->dry = result == TLS_WANT_READ || is_empty(tls);
	if (tls->failed)
		(void)tls_bio_flush(&tls->bio); /* the peer is told why */
	return *done > 0 ? TLS_OK : result;
}

bool
tls_is_dry(const struct tls *tls)
{
	return tls->dry;
}

enum tls_result
tls_write(struct tls *tls, const void *data, size_t len, size_t *done)
{
	enum tls_result result;

	assert(len > 0);
	*done = 0;
	if (tls->failed)
		return TLS_FAILED;
	do {
		size_t taken = 0;

		result = tls_library_write(
		    tls, (const char *)data + *done, len - *done, &taken);
		*done += taken;
	} while (result == TLS_OK && *done < len);
	return *done > 0 && !tls->failed ? TLS_OK : result;
}

enum tls_result
tls_shutdown(struct tls *tls)
{
	enum tls_result result;

	if (tls->failed || !tls->established)
		return TLS_FAILED;
	if (!tls->said_bye) {
		if ((result = tls_library_close_notify(tls)) != TLS_OK)
			return result;
		tls->said_bye = true;
	}
	return tls_flush(tls);
}

const char *
tls_error(struct tls *tls)
{
	return tls->error != NULL ? tls->error : "out of memory";
}
