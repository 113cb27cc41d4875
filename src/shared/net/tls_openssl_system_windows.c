/* SPDX-License-Identifier: MIT */
/*
 * The system's store of trusted roots, as of the user that we run as: what the administrator and
 * group policy put there for the machine is in it. A root that is distrusted ("Disallowed"), or
 * that may not vouch for servers, is left out.
 */
#include "config.h"

#include <winsock2.h>
#include <windows.h>

#include <wincrypt.h>

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error_text.h"
#include "base/winapi.h"
#include "net/tls_openssl_system.h"

static bool
names_servers(const CERT_ENHKEY_USAGE *usage)
{
	for (DWORD i = 0; i < usage->cUsageIdentifier; i++)
		if (strcmp(usage->rgpszUsageIdentifier[i],
			szOID_PKIX_KP_SERVER_AUTH) == 0)
			return true;
	return false;
}

static bool
may_vouch(PCCERT_CONTEXT found)
{
	CERT_ENHKEY_USAGE *usage;
	DWORD len = 0;
	bool may = false;

	if (!CertGetEnhancedKeyUsage(found, 0, NULL, &len))
		return (HRESULT)GetLastError() == (HRESULT)CRYPT_E_NOT_FOUND;
	if ((usage = malloc(len)) == NULL)
		return false;
	if (CertGetEnhancedKeyUsage(found, 0, usage, &len))
		may = usage->cUsageIdentifier == 0
		    /* for all, or for nothing */
		    ? (HRESULT)GetLastError() == (HRESULT)CRYPT_E_NOT_FOUND
		    : names_servers(usage);
	free(usage);
	return may;
}

static bool
is_distrusted(HCERTSTORE disallowed, PCCERT_CONTEXT found)
{
	PCCERT_CONTEXT same = disallowed == NULL
	    ? NULL
	    : CertFindCertificateInStore(disallowed,
		  X509_ASN_ENCODING | PKCS_7_ASN_ENCODING, 0,
		  CERT_FIND_EXISTING, found, NULL);

	if (same == NULL)
		return false;
	CertFreeCertificateContext(same);
	return true;
}

/* One that OpenSSL cannot read is none that it could use. */
static void
trust(X509_STORE *store, PCCERT_CONTEXT found)
{
	const unsigned char *der = found->pbCertEncoded;
	X509 *certificate = d2i_X509(NULL, &der, (long)found->cbCertEncoded);

	if (certificate != NULL)
		(void)X509_STORE_add_cert(store, certificate);
	X509_free(certificate);
	ERR_clear_error();
}

int
openssl_trust_system(SSL_CTX *ssl)
{
	HCERTSTORE roots = CertOpenSystemStoreW(0, L"ROOT"), disallowed;
	PCCERT_CONTEXT found = NULL;

	if (roots == NULL) {
		winapi_set_errno(GetLastError());
		return 0;
	}
	disallowed = CertOpenSystemStoreW(0, L"Disallowed");
	while ((found = CertEnumCertificatesInStore(roots, found)) != NULL)
		if (!is_distrusted(disallowed, found) && may_vouch(found))
			trust(SSL_CTX_get_cert_store(ssl), found);
	if (disallowed != NULL)
		CertCloseStore(disallowed, 0);
	CertCloseStore(roots, 0);
	return 1;
}

const char *
openssl_trust_error(void)
{
	return error_text(errno);
}
