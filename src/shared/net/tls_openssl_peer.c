/* SPDX-License-Identifier: MIT */
/*
 * The name of a device in its certificate: the first subjectAltName that is a URI of the
 * form taupe:NAME. A DNS name would not do: devices' names know upper case and
 * underscores, and a certificate for some host must not make a device of it.
 */
#include "config.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "net/tls_openssl.h"
#include "wire/str.h"

static const char scheme[] = "taupe:";
#define SCHEME_LEN (sizeof(scheme) - 1)

/* The name in a URI; absent: it is none of ours. */
static struct str
name_in(const ASN1_IA5STRING *uri)
{
	const char *text = (const char *)ASN1_STRING_get0_data(uri);
	size_t len = (size_t)ASN1_STRING_length(uri);

	if (len <= SCHEME_LEN || memcmp(text, scheme, SCHEME_LEN) != 0)
		return (struct str){NULL, 0};
	return (struct str){text + SCHEME_LEN, len - SCHEME_LEN};
}

static bool
find_name(const X509 *cert, char *out, size_t cap)
{
	GENERAL_NAMES *names =
	    X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	struct str found = {NULL, 0};
	bool copied;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && found.len == 0; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_URI)
			found = name_in(name->d.uniformResourceIdentifier);
	}
	copied = found.len > 0 && memchr(found.ptr, '\0', found.len) == NULL &&
	    str_copy(found, out, cap);
	GENERAL_NAMES_free(names);
	return copied;
}

/* It was in force when it was verified; a session that is resumed may have outlived it. */
static bool
in_force(const X509 *cert)
{
	return X509_cmp_current_time(X509_get0_notAfter(cert)) > 0;
}

static enum tls_peer
look_at(const X509 *cert, char *out, size_t cap)
{
	enum tls_peer result = TLS_PEER_NAMED;

	if (!in_force(cert))
		result = TLS_PEER_EXPIRED;
	else if (!find_name(cert, out, cap))
		result = TLS_PEER_NAMELESS;
	ERR_clear_error();
	return result;
}

enum tls_peer
tls_peer_name(const struct tls *tls, char *out, size_t cap)
{
	X509 *cert = SSL_get_peer_certificate(tls_ssl(tls));
	enum tls_peer result;

	if (cert == NULL)
		return TLS_PEER_NONE;
	result = SSL_get_verify_result(tls_ssl(tls)) == X509_V_OK
	    ? look_at(cert, out, cap)
	    : TLS_PEER_NONE;
	X509_free(cert);
	return result;
}

enum tls_peer
tls_certificate_name(const void *der, size_t len, char *out, size_t cap)
{
	const unsigned char *at = der;
	X509 *cert = d2i_X509(NULL, &at, (long)len);
	enum tls_peer result;

	if (cert == NULL) {
		ERR_clear_error();
		return TLS_PEER_NAMELESS;
	}
	result = look_at(cert, out, cap);
	X509_free(cert);
	return result;
}
