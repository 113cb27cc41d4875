/* SPDX-License-Identifier: MIT */
/* With OpenSSL, which every daemon has. */
#include "net/certificate.h"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static EVP_PKEY *
make_key(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
	EVP_PKEY *key = NULL;

	if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1 ||
	    EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1) !=
		1 ||
	    EVP_PKEY_keygen(ctx, &key) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static bool
add_extension(X509 *certificate, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;
	bool added;

	X509V3_set_ctx(&ctx, certificate, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	added =
	    extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return added;
}

/* A random serial number: a browser refuses two certificates of one issuer with the same. */
static bool
set_serial(X509 *certificate)
{
	uint64_t serial = 0;

	return RAND_bytes((unsigned char *)&serial, sizeof(serial)) == 1 &&
	    ASN1_INTEGER_set_uint64(
		X509_get_serialNumber(certificate), serial >> 1) == 1;
}

static bool
fill(X509 *certificate, EVP_PKEY *key, const char *domain, int days)
{
	X509_NAME *name = X509_get_subject_name(certificate);
	char names[600];

	snprintf(names, sizeof(names), "DNS:%s,DNS:*.%s", domain, domain);
	return X509_set_version(certificate, 2) == 1 &&
	    set_serial(certificate) &&
	    /* a device's clock may be a little behind */
	    X509_gmtime_adj(X509_getm_notBefore(certificate), -86400) != NULL &&
	    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400L * days) !=
	    NULL &&
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
		(const unsigned char *)"taupe, self-signed", -1, -1, 0) == 1 &&
	    X509_set_issuer_name(certificate, name) == 1 &&
	    X509_set_pubkey(certificate, key) == 1 &&
	    add_extension(certificate, NID_subject_alt_name, names) &&
	    add_extension(
		certificate, NID_basic_constraints, "critical,CA:TRUE") &&
	    X509_sign(certificate, key, EVP_sha256()) > 0;
}

/* Both as one text. */
static char *
to_text(X509 *certificate, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char *data, *text = NULL;
	long len;

	if (bio != NULL && PEM_write_bio_X509(bio, certificate) == 1 &&
	    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) ==
		1 &&
	    (len = BIO_get_mem_data(bio, &data)) > 0 &&
	    (text = malloc((size_t)len + 1)) != NULL) {
		memcpy(text, data, (size_t)len);
		text[len] = '\0';
	}
	BIO_free(bio);
	return text;
}

char *
certificate_make(const char *domain, int days)
{
	EVP_PKEY *key = make_key();
	X509 *certificate = X509_new();
	char *text = NULL;

	if (key != NULL && certificate != NULL &&
	    fill(certificate, key, domain, days))
		text = to_text(certificate, key);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return text;
}

/* A key with a password is no key: nobody is there to type it. */
static int
no_password_cb(char *out, int cap, int writing, void *ctx)
{
	(void)out;
	(void)cap;
	(void)writing;
	(void)ctx;
	return -1;
}

static EVP_PKEY *
read_key(const char *pem, size_t len)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	EVP_PKEY *key = bio != NULL
	    ? PEM_read_bio_PrivateKey(bio, NULL, no_password_cb, NULL)
	    : NULL;

	BIO_free(bio);
	return key;
}

static X509 *
read_certificate(const char *pem, size_t len)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	X509 *certificate = bio != NULL
	    ? PEM_read_bio_X509(bio, NULL, no_password_cb, NULL)
	    : NULL;

	BIO_free(bio);
	return certificate;
}

int
certificate_judge(const char *pem, size_t len, const char *host,
    struct certificate_facts *facts, const char **error)
{
	X509 *certificate = read_certificate(pem, len);
	EVP_PKEY *key = read_key(pem, len);

	*error = NULL;
	if (certificate == NULL)
		*error = "there is no certificate in it (PEM)";
	else if (key == NULL)
		*error = "there is no private key in it (PEM, without a "
			 "password)";
	else if (X509_check_private_key(certificate, key) != 1)
		*error = "certificate and private key do not belong together";
	else
		*facts = (struct certificate_facts){
		    .covers_host =
			X509_check_host(certificate, host, 0, 0, NULL) == 1,
		    .self_signed = X509_check_issued(
				       certificate, certificate) == X509_V_OK,
		    .expired = X509_cmp_current_time(
				   X509_get0_notAfter(certificate)) < 0 ||
			X509_cmp_current_time(
			    X509_get0_notBefore(certificate)) > 0};
	X509_free(certificate);
	EVP_PKEY_free(key);
	return *error == NULL ? 0 : -1;
}
