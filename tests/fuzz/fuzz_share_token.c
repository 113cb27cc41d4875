/* SPDX-License-Identifier: MIT */
/* A share link's token from anybody: any bytes as they are, and as a payload with the signature put
 * right, so that the fuzzer gets behind it. */
#include <string.h>

#include "net/crypto.h"
#include "net/share_token.h"
#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t key[ACCESS_KEY_LEN] = {1, 2, 3};
	static const char header[] = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.";
	char text[SHARE_TOKEN_MAX], again[SHARE_TOKEN_MAX];
	uint8_t mac[SHA256_LEN];
	struct share_token token;
	size_t n = sizeof(header) - 1;

	if (share_token_look((struct str){(const char *)data, len}, &token))
		REQUIRE(share_id_valid(str_of(token.id)));
	REQUIRE(!share_token_read(
	    key, (struct str){(const char *)data, len}, &token));
	memcpy(text, header, n);
	n += crypto_base64url_encode(
	    data, len, text + n, sizeof(text) - n - 45);
	crypto_hmac_sha256(key, sizeof(key), text, n, mac);
	text[n++] = '.';
	crypto_base64url_encode(mac, sizeof(mac), text + n, sizeof(text) - n);
	if (!share_token_read(key, str_of(text), &token))
		return 0;
	/* what we accept we would have written */
	REQUIRE(share_id_valid(str_of(token.id)));
	share_token_make(key, &token, again);
	REQUIRE(share_token_read(key, str_of(again), &token));
	return 0;
}
