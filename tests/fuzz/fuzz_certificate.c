/* SPDX-License-Identifier: MIT */
/* The device's name in a certificate that a proxy has handed on: DER of any bytes. */
#include "net/tls.h"

#include <string.h>

#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char name[64];
	enum tls_peer peer;

	memset(name, 'x', sizeof(name));
	peer = tls_certificate_name(data, len, name, sizeof(name));
	REQUIRE(peer != TLS_PEER_NONE);
	if (peer == TLS_PEER_NAMED) {
		const char *end = memchr(name, '\0', sizeof(name));

		REQUIRE(end != NULL && end > name);
	}
	return 0;
}
