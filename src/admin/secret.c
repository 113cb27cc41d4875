/* SPDX-License-Identifier: MIT */
#include "admin/secret.h"

#include "net/crypto.h"

#define SECRET_BYTES 32

void
secret_draw_text(char secret[SECRET_TEXT_LEN + 1])
{
	uint8_t random[SECRET_BYTES];

	crypto_random(random, sizeof(random));
	crypto_base64url_encode(
	    random, sizeof(random), secret, SECRET_TEXT_LEN + 1);
	crypto_wipe(random, sizeof(random));
}

void
secret_draw(char secret[SECRET_TEXT_LEN + 1], uint8_t sha256[SECRET_HASH_LEN])
{
	secret_draw_text(secret);
	crypto_sha256(secret, SECRET_TEXT_LEN, sha256);
}
