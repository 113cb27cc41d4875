/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error_text.h"
#include "base/private_file.h"
#include "net/pem_bundle.h"

static int
fail(char error[PEM_BUNDLE_ERROR_MAX], const char *text)
{
	snprintf(error, PEM_BUNDLE_ERROR_MAX, "%s", text);
	return -1;
}

/* HAProxy's payloads end at an empty line. */
static void
remove_empty_lines(struct pem_bundle *bundle)
{
	size_t out = 0;

	for (size_t i = 0; i < bundle->len; i++) {
		char c = bundle->text[i];

		if (c == '\r' ||
		    (c == '\n' && (out == 0 || bundle->text[out - 1] == '\n')))
			continue;
		bundle->text[out++] = c;
	}
	bundle->text[out] = '\0';
	bundle->len = out;
}

/* Without it OpenSSL would ask on the terminal. */
static int
no_passphrase_cb(char *out, int size, int writing, void *ctx)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)ctx;
	return -1;
}

static void
take_names(struct pem_bundle *bundle, X509 *leaf)
{
	GENERAL_NAMES *names =
	    X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	size_t len = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type != GEN_DNS || len >= sizeof(bundle->names))
			continue;
		len += (size_t)snprintf(bundle->names + len,
		    sizeof(bundle->names) - len, "%s%.*s", len > 0 ? ", " : "",
		    ASN1_STRING_length(name->d.dNSName),
		    (const char *)ASN1_STRING_get0_data(name->d.dNSName));
	}
	GENERAL_NAMES_free(names);
}

static int
judge(struct pem_bundle *bundle, X509 *leaf, EVP_PKEY *key,
    char error[PEM_BUNDLE_ERROR_MAX])
{
	int days, seconds;

	if (leaf == NULL)
		return fail(error, "there is no certificate in it");
	if (key == NULL)
		return fail(error,
		    "there is no private key in it, or it needs a passphrase");
	if (X509_check_private_key(leaf, key) != 1)
		return fail(error,
		    "its private key is not that of its first certificate");
	if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(leaf)) !=
	    1)
		return fail(
		    error, "its certificate has no end that can be read");
	if (days < 0 || seconds < 0)
		return fail(error, "its certificate has ended");
	bundle->expires_s =
	    (int64_t)time(NULL) + (int64_t)days * 86400 + seconds;
	take_names(bundle, leaf);
	return 0;
}

static int
parse(struct pem_bundle *bundle, char error[PEM_BUNDLE_ERROR_MAX])
{
	BIO *certificates = BIO_new_mem_buf(bundle->text, (int)bundle->len),
	    *keys = BIO_new_mem_buf(bundle->text, (int)bundle->len);
	X509 *leaf = NULL;
	EVP_PKEY *key = NULL;
	int result;

	if (certificates != NULL)
		leaf = PEM_read_bio_X509(
		    certificates, NULL, no_passphrase_cb, NULL);
	if (keys != NULL)
		key =
		    PEM_read_bio_PrivateKey(keys, NULL, no_passphrase_cb, NULL);
	result = judge(bundle, leaf, key, error);
	ERR_clear_error();
	X509_free(leaf);
	EVP_PKEY_free(key);
	BIO_free(certificates);
	BIO_free(keys);
	return result;
}

int
pem_bundle_read(const char *path, struct pem_bundle *bundle,
    char error[PEM_BUNDLE_ERROR_MAX])
{
	long n;

	memset(bundle, 0, sizeof(*bundle));
	n = private_file_read(NULL, path, bundle->text, sizeof(bundle->text));
	if (n < 0)
		return fail(error, error_text(errno));
	if (n >= PEM_BUNDLE_MAX)
		return fail(error, "it is longer than 64 KB");
	bundle->len = (size_t)n;
	remove_empty_lines(bundle);
	return parse(bundle, error);
}
