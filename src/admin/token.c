/* SPDX-License-Identifier: MIT */
#include "admin/token.h"

#include <stdio.h>
#include <string.h>

#include "admin/admin_internal.h"
#include "net/crypto.h"
#include "net/loop.h"

void
token_draw(struct token_record *record, const char *name, enum token_role role,
    uint64_t for_ms, char text[TOKEN_TEXT_MAX + 1])
{
	char secret[SECRET_TEXT_LEN + 1];

	*record =
	    (struct token_record){.role = role, .created_ms = loop_wall_ms()};
	(void)str_copy(str_of(name), record->name, sizeof(record->name));
	if (for_ms > 0)
		record->expires_ms = record->created_ms + for_ms;
	secret_draw_text(secret);
	snprintf(text, TOKEN_TEXT_MAX + 1, "%s.%s", name, secret);
	crypto_sha256(text, strlen(text), record->sha256);
	crypto_wipe(secret, sizeof(secret));
}

bool
token_name(struct str text, char name[DEVICE_NAME_MAX + 1])
{
	size_t len = text.len - (SECRET_TEXT_LEN + 1);

	return text.len > SECRET_TEXT_LEN + 1 && text.len <= TOKEN_TEXT_MAX &&
	    text.ptr[len] == '.' &&
	    device_name_valid((struct str){text.ptr, len}) &&
	    str_copy((struct str){text.ptr, len}, name, DEVICE_NAME_MAX + 1);
}

int
token_check(struct admin *admin, struct str text, struct token_record *record)
{
	char name[DEVICE_NAME_MAX + 1];
	uint8_t sha256[SECRET_HASH_LEN];
	int code;

	if (!token_name(text, name))
		return admin_fail(admin, ADMIN_UNKNOWN, "this is no token");
	if ((code = admin->store->token(admin, name, record)) != ADMIN_OK)
		return code;
	crypto_sha256(text.ptr, text.len, sha256);
	if (!crypto_equal(sha256, record->sha256, sizeof(sha256)))
		return admin_fail(
		    admin, ADMIN_UNKNOWN, "the token %s is another one", name);
	if (record->expires_ms != 0 && record->expires_ms <= loop_wall_ms())
		return admin_fail(
		    admin, ADMIN_UNKNOWN, "the token %s has expired", name);
	return ADMIN_OK;
}
