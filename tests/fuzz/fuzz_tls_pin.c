/* SPDX-License-Identifier: MIT */
/* Pins have one text each: what is taken is written back just so. */
#include "net/tls_pin.h"

#include <string.h>

#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1), again[TLS_PIN_TEXT_MAX];
	struct tls_pin pin;

	REQUIRE(text != NULL);
	if (len > 0)
		memcpy(text, data, len);
	text[len] = '\0';
	if (tls_pin_parse(text, &pin))
		REQUIRE(strcmp(tls_pin_text(&pin, again), text) == 0);
	free(text);
	return 0;
}
