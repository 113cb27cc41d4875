/* SPDX-License-Identifier: MIT */
/*
 * Authorities from PEM files, one certificate after the other. The system has more than a hundred,
 * which would take more memory than all of the agent: of those only the ones that a peer's chain names
 * are kept, and no longer than they are needed.
 */
#include "config.h"

#include <errno.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/ca_places.h"
#include "net/tls_mbedtls.h"

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END "-----END CERTIFICATE-----"
#define CERTIFICATE_MAX 32768 /* bytes of PEM */

struct reading {
	mbedtls_x509_crt *authorities; /* NULL: none is kept, one is enough */
	const mbedtls_x509_crt *chain; /* whose issuers are wanted; NULL: all */
	bool
	    strict; /* one that cannot be read is an error, and not passed over */
	size_t n;   /* that were read */
	size_t len; /* of text; 0: outside a certificate */
	const char *error;
	char text[CERTIFICATE_MAX];
};

static bool
begins_with(const char *line, const char *what)
{
	return strncmp(line, what, strlen(what)) == 0;
}

static void
fail(struct reading *reading, const char *error)
{
	if (reading->strict && reading->error == NULL)
		reading->error = error;
}

/* Names are compared as bytes (RFC 5280 section 4.1.2.4 wants them so). */
static bool
is_issuer(const mbedtls_x509_crt *authority, const mbedtls_x509_crt *of)
{
	return authority->subject_raw.len == of->issuer_raw.len &&
	    memcmp(authority->subject_raw.p, of->issuer_raw.p,
		of->issuer_raw.len) == 0;
}

static bool
is_wanted(const struct reading *reading, const mbedtls_x509_crt *authority)
{
	const mbedtls_x509_crt *at = reading->chain;

	while (at != NULL && !is_issuer(authority, at))
		at = at->next;
	return reading->authorities != NULL &&
	    (reading->chain == NULL || at != NULL);
}

static int
parse(const struct reading *reading, mbedtls_x509_crt *into)
{
	return mbedtls_x509_crt_parse(
	    into, (const unsigned char *)reading->text, reading->len + 1);
}

/* text is a certificate. */
static void
add(struct reading *reading)
{
	mbedtls_x509_crt one;
	int returned;

	mbedtls_x509_crt_init(&one);
	returned = parse(reading, &one);
	if (returned == 0) {
		reading->n++;
		if (is_wanted(reading, &one))
			returned = parse(reading, reading->authorities);
	}
	mbedtls_x509_crt_free(&one);
	if (returned == MBEDTLS_ERR_X509_ALLOC_FAILED)
		reading->error = "out of memory";
	else if (mbedtls_lacks_kind(returned))
		fail(reading,
		    "there is a certificate in it whose key or signature is "
		    "of a kind that Mbed TLS does not have");
	else if (returned != 0)
		fail(reading,
		    "there is a certificate in it that cannot be read");
}

static bool
is_done(const struct reading *reading)
{
	return reading->error != NULL ||
	    (reading->authorities == NULL && reading->n > 0);
}

static void
take_line(struct reading *reading, const char *line)
{
	size_t len = strlen(line);

	if (begins_with(line, BEGIN))
		reading->len = 0;
	else if (reading->len == 0)
		return; /* between two of them anything may stand */
	if (reading->len + len >= sizeof(reading->text)) {
		fail(reading, "there is a certificate in it that is too long");
		reading->len = 0;
		return;
	}
	memcpy(reading->text + reading->len, line, len + 1);
	reading->len += len;
	if (begins_with(line, END)) {
		add(reading);
		reading->len = 0;
	}
}

/* False: it cannot be opened or read (errno). */
static bool
read_file(struct reading *reading, const char *path)
{
	FILE *file = fopen(path, "re");
	char line[256];
	bool read;

	if (file == NULL)
		return false;
	reading->len = 0;
	while (!is_done(reading) && fgets(line, sizeof(line), file) != NULL)
		take_line(reading, line);
	read = !ferror(file);
	fclose(file);
	return read;
}

static struct reading *
reading_new(
    mbedtls_x509_crt *authorities, const mbedtls_x509_crt *chain, bool strict)
{
	struct reading *reading = malloc(sizeof(*reading));

	if (reading == NULL)
		return NULL;
	reading->authorities = authorities;
	reading->chain = chain;
	reading->strict = strict;
	reading->n = reading->len = 0;
	reading->error = NULL;
	return reading;
}

static const char *
finish(struct reading *reading)
{
	const char *error = reading->error;

	if (error == NULL && reading->n == 0)
		error = "no certificate in PEM was found";
	free(reading);
	return error;
}

const char *
mbedtls_authorities_read(mbedtls_x509_crt *authorities, const char *file)
{
	struct reading *reading = reading_new(authorities, NULL, true);

	if (reading == NULL)
		return "out of memory";
	if (!read_file(reading, file))
		reading->error = strerror(errno);
	return finish(reading);
}

/* A file of the system's: is there any certificate in it? */
static bool
load_cb(void *ctx, const char *path)
{
	struct reading *reading = ctx;
	size_t before = reading->n;

	(void)read_file(reading, path);
	return reading->n > before;
}

const char *
mbedtls_authorities_read_system(
    mbedtls_x509_crt *authorities, const mbedtls_x509_crt *chain)
{
	struct reading *reading = reading_new(authorities, chain, false);

	if (reading == NULL)
		return "out of memory";
	if (ca_places_load(load_cb, reading) == NULL && reading->error == NULL)
		reading->error = ca_places_error();
	return finish(reading);
}

const char *
mbedtls_authorities_look_for_system(void)
{
	return mbedtls_authorities_read_system(NULL, NULL);
}
