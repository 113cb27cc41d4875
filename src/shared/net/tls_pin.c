/* SPDX-License-Identifier: MIT */
/* Pins as text and as what a context has of them; to ask for them is the library's part of
 * verification. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "net/crypto.h"
#include "net/tls_internal.h"
#include "net/tls_library.h"

#define PREFIX "sha256/"
#define BASE64_LEN 44 /* of a hash, its one '=' included */

struct tls_pins {
	size_t n;
	struct tls_pin pins[];
};

bool
tls_pin_parse(const char *text, struct tls_pin *pin)
{
	return strlen(text) == strlen(PREFIX) + BASE64_LEN &&
	    strncmp(text, PREFIX, strlen(PREFIX)) == 0 &&
	    crypto_base64_decode(text + strlen(PREFIX), BASE64_LEN, pin->sha256,
		sizeof(pin->sha256)) == sizeof(pin->sha256);
}

const char *
tls_pin_text(const struct tls_pin *pin, char out[static TLS_PIN_TEXT_MAX])
{
	memcpy(out, PREFIX, strlen(PREFIX));
	crypto_base64_encode(
	    pin->sha256, sizeof(pin->sha256), out + strlen(PREFIX));
	return out;
}

void
tls_pin_of(const void *key, size_t len, struct tls_pin *pin)
{
	crypto_sha256(key, len, pin->sha256);
}

bool
tls_pins_contain(const struct tls_pins *pins, const struct tls_pin *pin)
{
	for (size_t i = 0; i < pins->n; i++)
		if (memcmp(pins->pins[i].sha256, pin->sha256,
			sizeof(pin->sha256)) == 0)
			return true;
	return false;
}

int
tls_context_pin(
    struct tls_context *context, const struct tls_pin *pins, size_t n)
{
	struct tls_pins *copy = malloc(sizeof(*copy) + n * sizeof(*pins));

	if (copy == NULL)
		return -1;
	copy->n = n;
	memcpy(copy->pins, pins, n * sizeof(*pins));
	tls_context_keep_pins(context, copy);
	tls_library_trust_ask_pins(tls_context_trust(context));
	return 0;
}
