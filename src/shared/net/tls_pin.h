/* SPDX-License-Identifier: MIT */
/*
 * Pins: hashes of the keys that a client expects (RFC 7469 section 2.4), written
 * "sha256/" and the base64 of the SHA-256 of a certificate's SubjectPublicKeyInfo. They
 * are asked in addition to verification and never instead of it.
 */
#ifndef TAUPE_NET_TLS_PIN_H
#define TAUPE_NET_TLS_PIN_H

#include "net/crypto.h"
#include "net/tls.h"

#define TLS_PIN_TEXT_MAX 52 /* bytes of a pin's text, the NUL included */

struct tls_pin {
	uint8_t sha256[SHA256_LEN];
};

/* Parse one; false: it is not of that form. */
bool tls_pin_parse(const char *text, struct tls_pin *pin);
const char *tls_pin_text(
    const struct tls_pin *pin, char out[static TLS_PIN_TEXT_MAX]);

/*
 * From now on a peer of this client's context must also have, in the chain that verified,
 * from its own certificate to the authority's, a key that one of the n > 0 pins names.
 * Copies them. Once, before the first connection. -1: no memory.
 */
int tls_context_pin(
    struct tls_context *context, const struct tls_pin *pins, size_t n);

#endif
