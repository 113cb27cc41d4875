/* SPDX-License-Identifier: MIT */
/*
 * A certificate in a header proves nothing by itself, as it is no secret: it is believed
 * only from a proxy that the operator has named, and only if the operator says that this
 * proxy removes what agents send under this name.
 */
#include "config.h"

#include "base/log.h"
#include "net/crypto.h"
#include "relay/certified.h"
#include "relay/sources.h"

#define CERTIFICATE_MAX 4096 /* DER; the head's limit is near */
#define FIELD "X-Taupe-Client-Certificate"

int
certified_ask(const struct relay_options *options, struct tls_context *context,
    const char **error)
{
	if (options->agent_client_ca == NULL)
		return 0;
	return tls_context_ask_clients(context,
	    &(struct tls_clients){.ca_file = options->agent_client_ca,
		.crl_file = options->agent_client_crl,
		.required = options->agent_client_certificate ==
		    CLIENT_CERTIFICATE_REQUIRED},
	    error);
}

static void
take_handed_on(struct upgrade *upgrade, struct str text)
{
	uint8_t der[CERTIFICATE_MAX];
	long len =
	    crypto_base64url_decode(text.ptr, text.len, der, sizeof(der));

	upgrade->certificate = len > 0
	    ? tls_certificate_name(der, (size_t)len, upgrade->certified,
		  sizeof(upgrade->certified))
	    : TLS_PEER_NAMELESS;
}

void
certified_find(struct upgrade *upgrade, const struct http_head *head)
{
	upgrade->certificate = TLS_PEER_NONE;
	if (upgrade->conn.tls != NULL)
		upgrade->certificate = tls_peer_name(upgrade->conn.tls,
		    upgrade->certified, sizeof(upgrade->certified));
	if (http_field_count(head, FIELD) == 0)
		return;
	if (upgrade->conn.tls == NULL &&
	    sources_trusts(upgrade->relay->sources, &upgrade->peer) &&
	    upgrade->relay->options.proxy_client_certificate)
		take_handed_on(upgrade, http_field_get(head, FIELD));
	else
		log_warn("a certificate in a header is ignored: it comes from "
			 "no proxy that is trusted with it",
		    LOG_S("from", upgrade->from));
}

static const char *
find_objection(const struct upgrade *upgrade, const char *name)
{
	switch (upgrade->certificate) {
	case TLS_PEER_NAMED:
		return strcmp(upgrade->certified, name) == 0
		    ? NULL
		    : "the certificate is another device's";
	case TLS_PEER_EXPIRED:
		return "the certificate has expired";
	case TLS_PEER_NAMELESS:
	case TLS_PEER_NONE:
		break;
	}
	if (upgrade->relay->options.agent_client_certificate !=
	    CLIENT_CERTIFICATE_REQUIRED)
		return NULL;
	return upgrade->certificate == TLS_PEER_NONE
	    ? "a certificate is needed"
	    : "the certificate names no device: its subjectAltName needs a URI "
	      "taupe:NAME";
}

const char *
certified_check(const struct upgrade *upgrade, const char *name)
{
	const char *objection = find_objection(upgrade, name);

	if (objection != NULL)
		log_warn("certificate refused", LOG_S("device", name),
		    LOG_S("from", upgrade->from),
		    LOG_S("certificate",
			upgrade->certificate == TLS_PEER_NAMED
			    ? upgrade->certified
			    : NULL),
		    LOG_S("reason", objection));
	return objection;
}
