/* SPDX-License-Identifier: MIT */
/* A token from an agent: any bytes, read as they are, and read again with the signature
 * put right, so that the fuzzer gets behind it. */
#include <string.h>

#include "net/crypto.h"
#include "registry/lease_token.h"
#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct lease_key key = {{1, 2, 3}};
	uint8_t covered[SHA256_LEN + LEASE_TOKEN_MAX + 1] = "of a secret";
	char token[LEASE_TOKEN_MAX + 1], again[LEASE_TOKEN_MAX + 1];
	uint8_t mac[SHA256_LEN];
	struct lease lease, same;
	size_t n;

	REQUIRE(!lease_token_verify(&key, (struct str){(const char *)data, len},
	    "alice", covered, &lease, NULL));
	n = crypto_base64url_encode(data, len, token, sizeof(token) - 45);
	if (n == 0)
		return 0;
	memcpy(covered + SHA256_LEN, token, n);
	crypto_hmac_sha256(
	    key.bytes, sizeof(key.bytes), covered, SHA256_LEN + n, mac);
	token[n++] = '.';
	crypto_base64url_encode(mac, sizeof(mac), token + n, sizeof(token) - n);
	if (!lease_token_verify(
		&key, str_of(token), "alice", covered, &lease, NULL))
		return 0;
	/* what we accept we can also say */
	REQUIRE(
	    lease.n_ports <= SERVICES_MAX && label_valid(str_of(lease.label)));
	REQUIRE(lease_token_make(
	    &key, "alice", covered, &lease, again, sizeof(again)));
	REQUIRE(lease_token_verify(
	    &key, str_of(again), "alice", covered, &same, NULL));
	REQUIRE(same.n_ports == lease.n_ports &&
	    strcmp(same.label, lease.label) == 0);
	return 0;
}
