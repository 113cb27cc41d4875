/* SPDX-License-Identifier: MIT */
/*
 * Whom a client believes. Mbed TLS builds and checks the chain, and compares names; addresses and
 * pins are asked here, while it does so: who fails is told by an alert, and leaves no session that a
 * later connection could resume unasked.
 *
 * The system's authorities are not in memory. Then Mbed TLS finds nobody to trust the chain, and asks:
 * those that the chain names are read, and it verifies all of it again with them.
 */
#include "config.h"

#include <mbedtls/oid.h>
#include <mbedtls/x509_crt.h>
#include <netinet/in.h>
#include <string.h>

#include "net/tls_mbedtls.h"

/* RFC 5280 section 4.2.1.6: iPAddress is [7], in network byte order. */
#define SAN_ADDRESS (MBEDTLS_ASN1_CONTEXT_SPECIFIC | 7)

static bool
is_for_address(const mbedtls_x509_crt *certificate, const struct address *ip)
{
	bool four = ip->sa.sa_family == AF_INET;
	const void *bytes = four ? (const void *)&ip->in.sin_addr
				 : (const void *)&ip->in6.sin6_addr;
	size_t len = four ? 4 : 16;

	if ((certificate->ext_types & MBEDTLS_X509_EXT_SUBJECT_ALT_NAME) == 0)
		return false;
	for (const mbedtls_x509_sequence *name =
		 &certificate->subject_alt_names;
	     name != NULL; name = name->next)
		if (name->buf.tag == SAN_ADDRESS && name->buf.len == len &&
		    memcmp(name->buf.p, bytes, len) == 0)
			return true;
	return false;
}

static bool
is_self_signed(const mbedtls_x509_crt *certificate)
{
	return certificate->issuer_raw.len == certificate->subject_raw.len &&
	    memcmp(certificate->issuer_raw.p, certificate->subject_raw.p,
		certificate->issuer_raw.len) == 0;
}

/* The peer's own certificate, the last that is asked about. */
static void
judge_peer(
    struct tls *tls, const mbedtls_x509_crt *certificate, uint32_t *flags)
{
	struct mbedtls_engine *engine = tls->engine;
	struct tls_pin pin;

	engine->self_signed = is_self_signed(certificate);
	if (engine->by_address &&
	    !is_for_address(certificate, &engine->address))
		*flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
	engine->flags |= *flags;
	if (engine->flags != 0 || engine->pinned ||
	    tls_context_pins(tls->context) == NULL)
		return;
	tls_pin_of(certificate->pk_raw.p, certificate->pk_raw.len, &pin);
	tls_explain_unpinned(tls, &pin);
	engine->unpinned = true;
	*flags |= MBEDTLS_X509_BADCERT_OTHER;
}

/* Called for each certificate of the chain that was built, from the authority's on. */
static int
judge_cb(void *ctx, mbedtls_x509_crt *certificate, int depth, uint32_t *flags)
{
	struct tls *tls = ctx;
	struct mbedtls_engine *engine = tls->engine;
	const struct tls_pins *pins = tls_context_pins(tls->context);
	struct tls_pin pin;

	if (pins != NULL) {
		tls_pin_of(
		    certificate->pk_raw.p, certificate->pk_raw.len, &pin);
		engine->pinned |= tls_pins_contain(pins, &pin);
	}
	engine->flags |= *flags;
	if (depth == 0)
		judge_peer(tls, certificate, flags);
	return 0;
}

/* All that is wrong with the peer's chain when the system's authorities are trusted. */
static uint32_t
verify_with_system(struct tls *tls, mbedtls_x509_crt *chain)
{
	struct mbedtls_engine *engine = tls->engine;
	mbedtls_x509_crt authorities;
	uint32_t flags = 0;
	int returned;

	mbedtls_x509_crt_init(&authorities);
	(void)mbedtls_authorities_read_system(&authorities, chain);
	returned = mbedtls_x509_crt_verify(chain, &authorities, NULL,
	    engine->by_address ? NULL : tls->host, &flags, judge_cb, tls);
	mbedtls_x509_crt_free(&authorities);
	/* what is no verdict is none in the peer's favour */
	if (returned != 0 && flags == 0)
		flags = MBEDTLS_X509_BADCERT_OTHER;
	return flags;
}

static int
verify_cb(void *ctx, mbedtls_x509_crt *certificate, int depth, uint32_t *flags)
{
	struct tls *tls = ctx;
	const struct mbedtls_trust *trust = tls_context_trust(tls->context);

	if (!trust->system)
		return judge_cb(ctx, certificate, depth, flags);
	*flags = depth == 0 ? verify_with_system(tls, certificate) : 0;
	return 0;
}

int
mbedtls_expect_host(struct tls *tls)
{
	struct mbedtls_engine *engine = tls->engine;

	engine->by_address =
	    address_parse_ip(str_of(tls->host), 0, &engine->address);
	mbedtls_ssl_set_verify(&engine->ssl, verify_cb, tls);
	/* it would send an address, too */
	return mbedtls_ssl_set_hostname(
		   &engine->ssl, engine->by_address ? NULL : tls->host) == 0
	    ? 0
	    : -1;
}

void
mbedtls_fail_verification(struct tls *tls)
{
	const struct mbedtls_engine *engine = tls->engine;
	uint32_t flags =
	    engine->flags | mbedtls_ssl_get_verify_result(&engine->ssl);
	const struct {
		uint32_t flag;
		enum tls_doubt doubt;
		const char *why;
	} rows[] = {
	    {MBEDTLS_X509_BADCERT_NOT_TRUSTED, TLS_DOUBT_UNKNOWN,
		engine->self_signed ? "self-signed certificate"
				    : "unable to get local issuer certificate"},
	    {MBEDTLS_X509_BADCERT_FUTURE, TLS_DOUBT_TOO_EARLY,
		"certificate is not yet valid"},
	    {MBEDTLS_X509_BADCERT_EXPIRED, TLS_DOUBT_EXPIRED,
		"certificate has expired"},
	    {MBEDTLS_X509_BADCERT_CN_MISMATCH, TLS_DOUBT_OTHER_HOST,
		engine->by_address ? "IP address mismatch"
				   : "hostname mismatch"},
	    {MBEDTLS_X509_BADCERT_KEY_USAGE |
		    MBEDTLS_X509_BADCERT_EXT_KEY_USAGE,
		TLS_DOUBT_OTHER, "it is not a server's certificate"},
	    {MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK |
		    MBEDTLS_X509_BADCERT_BAD_KEY,
		TLS_DOUBT_OTHER, "a key or a signature is too weak"},
	    {UINT32_MAX, TLS_DOUBT_OTHER, "it cannot be used"},
	};
	size_t i = 0;

	if (engine->unpinned) {
		tls_fail_verification(
		    tls, TLS_DOUBT_UNPINNED, "no pin matches");
		return;
	}
	while (rows[i].flag != UINT32_MAX && (flags & rows[i].flag) == 0)
		i++;
	tls_fail_verification(tls, rows[i].doubt, rows[i].why);
}
