/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "agent/device_name.h"
#include "net/crypto.h"
#include "wire/cursor.h"

#define NAME_BYTES 6 /* of the hash */

void
device_name_of(const char *id, char name[DERIVED_NAME_LEN + 1])
{
	static const char salt[] = "taupe";
	char text[sizeof(salt) + DEVICE_ID_MAX];
	uint8_t digest[SHA256_LEN];
	struct writer w;

	snprintf(text, sizeof(text), "%s%s", salt, id);
	crypto_sha256(text, strlen(text), digest);
	writer_init(&w, name, DERIVED_NAME_LEN);
	writer_cstr(&w, "d-");
	writer_hex(&w, digest, NAME_BYTES);
	name[DERIVED_NAME_LEN] = '\0';
}
