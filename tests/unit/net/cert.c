/* SPDX-License-Identifier: MIT */
/* All certificates of a test have the same key, the authority's own. */
#include <check.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <unistd.h>

#include "cert.h"

EVP_PKEY *
cert_key_new(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
	EVP_PKEY *made = NULL;

	ck_assert_int_eq(EVP_PKEY_keygen_init(ctx), 1);
	ck_assert_int_eq(
	    EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1),
	    1);
	ck_assert_int_eq(EVP_PKEY_keygen(ctx, &made), 1);
	EVP_PKEY_CTX_free(ctx);
	return made;
}

static void
add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ck_assert_ptr_nonnull(extension);
	ck_assert_int_eq(X509_add_ext(cert, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

X509 *
cert_new(EVP_PKEY *key, const char *common_name, const char *names,
    X509 *issuer, long from_s, long until_s)
{
	static long serial = 1;
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
	X509_gmtime_adj(X509_getm_notBefore(cert), from_s);
	X509_gmtime_adj(X509_getm_notAfter(cert), until_s);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)common_name, -1, -1, 0);
	X509_set_issuer_name(
	    cert, issuer != NULL ? X509_get_subject_name(issuer) : name);
	X509_set_pubkey(cert, key);
	if (names != NULL)
		add_extension(cert, issuer, NID_subject_alt_name, names);
	else
		add_extension(
		    cert, cert, NID_basic_constraints, "critical,CA:TRUE");
	ck_assert_int_gt(X509_sign(cert, key, EVP_sha256()), 0);
	return cert;
}

void
cert_write(char *path, X509 *cert, EVP_PKEY *key)
{
	int fd = mkstemp(path);
	FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;

	ck_assert_ptr_nonnull(file);
	if (cert != NULL)
		ck_assert_int_eq(PEM_write_X509(file, cert), 1);
	if (key != NULL)
		ck_assert_int_eq(
		    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL),
		    1);
	fclose(file);
}
