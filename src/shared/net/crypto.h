/* SPDX-License-Identifier: MIT */
/* The few primitives that taupe needs of the library of TLS besides TLS. */
#ifndef TAUPE_NET_CRYPTO_H
#define TAUPE_NET_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_LEN 32

/* Fill with random bytes of cryptographic quality. Ends the process if the system has
 * none: nothing taupe does is safe without. */
void crypto_random(void *out, size_t len);
void crypto_sha256(const void *data, size_t len, uint8_t digest[SHA256_LEN]);
void crypto_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
    uint8_t mac[SHA256_LEN]);
/* In a time that does not depend on the contents. */
bool crypto_equal(const void *a, const void *b, size_t len);
/* wipe() of base/wipe.h, for who has this header at hand. */
void crypto_wipe(void *data, size_t len);
/* A pseudo-random number below bound (> 0), for jitter and choices, not for secrets. */
uint32_t crypto_below(uint32_t bound);
/* len lower-case Crockford base32 characters (5 random bits each) and a NUL. */
void crypto_base32_label(char *out, size_t len);
/* Base64url without padding (RFC 4648 section 5). Returns the length, without the NUL. */
size_t crypto_base64url_encode(const void *data, size_t len, char *out, size_t cap);
/* Base64 with padding (RFC 4648 section 4), for 4 * ((len + 2) / 3) characters and a NUL. */
void crypto_base64_encode(const void *data, size_t len, char *out);
/* -1: malformed or no room. */
long crypto_base64url_decode(const char *text, size_t len, void *out, size_t cap);
long crypto_base64_decode(const char *text, size_t len, void *out, size_t cap);

#endif
