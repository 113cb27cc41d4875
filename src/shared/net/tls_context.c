/* SPDX-License-Identifier: MIT */
/*
 * What connections share. A client's context remembers the last session of a few hosts, so that
 * agents that all come back at once resume instead of negotiating anew. A server's keeps none:
 * what it needs to resume one stands in the ticket that the client has.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls_internal.h"
#include "net/tls_library.h"

#define REMEMBERED 8

struct tls_context {
	void *trust;	       /* the library's */
	struct tls_pins *pins; /* NULL: none */
	unsigned references;
	unsigned oldest; /* of remembered[] */
	struct {
		char *host;    /* NULL: none */
		void *session; /* the library's */
	} remembered[REMEMBERED];
};

static char context_error[512];

struct tls_context *
tls_context_wrap(void *trust)
{
	struct tls_context *context = NULL;

	if (trust != NULL && (context = calloc(1, sizeof(*context))) == NULL)
		tls_library_trust_free(trust);
	if (context == NULL)
		return NULL;
	context->references = 1;
	context->trust = trust;
	return context;
}

void *
tls_context_trust(const struct tls_context *context)
{
	return context->trust;
}

struct tls_context *
tls_context_hold(struct tls_context *context)
{
	context->references++;
	return context;
}

static void
forget(struct tls_context *context, unsigned i)
{
	if (context->remembered[i].session != NULL)
		tls_library_session_free(context->remembered[i].session);
	free(context->remembered[i].host);
	context->remembered[i].session = NULL;
	context->remembered[i].host = NULL;
}

/* REMEMBERED: nowhere. */
static unsigned
find(const struct tls_context *context, const char *host)
{
	unsigned at = 0;

	while (at < REMEMBERED &&
	    (context->remembered[at].host == NULL ||
		strcmp(context->remembered[at].host, host) != 0))
		at++;
	return at;
}

void *
tls_context_recall(const struct tls_context *context, const char *host)
{
	unsigned at = find(context, host);

	return at < REMEMBERED ? context->remembered[at].session : NULL;
}

void
tls_context_remember(struct tls *tls, void *session)
{
	struct tls_context *context = tls->context;
	unsigned at = find(context, tls->host);
	char *host = tls->isolated ? NULL : strdup(tls->host);

	if (host == NULL) {
		tls_library_session_free(session);
		return;
	}
	if (at == REMEMBERED) {
		at = context->oldest;
		context->oldest = (context->oldest + 1) % REMEMBERED;
	}
	forget(context, at);
	context->remembered[at].host = host;
	context->remembered[at].session = session;
}

const struct tls_pins *
tls_context_pins(const struct tls_context *context)
{
	return context->pins;
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
	tls_library_trust_free(context->trust);
	free(context->pins);
	free(context);
}

void
tls_context_explain(const char *what, const char *file, const char *why)
{
	snprintf(context_error, sizeof(context_error), "cannot load %s%s%s: %s",
	    what, file != NULL ? " from " : "", file != NULL ? file : "", why);
}

const char *
tls_context_error(void)
{
	return context_error;
}

struct tls_context *
tls_context_new_client(const char *ca_file, const char **error)
{
	struct tls_context *context =
	    tls_context_wrap(tls_library_trust_new_client());

	*error = "out of memory";
	if (context == NULL)
		return NULL;
	*error = NULL;
	if (tls_library_trust_load(context->trust, ca_file) != 0) {
		*error = context_error;
		tls_context_free(&context);
	}
	return context;
}

int
tls_context_use_certificate(struct tls_context *client, const char *certificate,
    const char *key, const char **error)
{
	*error = context_error;
	return tls_certificate_load(client->trust, certificate, key);
}
