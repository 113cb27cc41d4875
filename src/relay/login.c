/* SPDX-License-Identifier: MIT */
#include "relay/login.h"

#include <string.h>

#include "net/crypto.h"
#include "net/loop.h"

const struct login *
login_add(struct logins *logins, const struct token_record *token)
{
	struct login *login = &logins->items[0];

	for (int i = 1; i < LOGINS_MAX; i++)
		if (logins->items[i].until_ms < login->until_ms)
			login = &logins->items[i];
	secret_draw_text(login->id);
	secret_draw_text(login->csrf);
	memcpy(login->name, token->name, sizeof(login->name));
	memcpy(login->sha256, token->sha256, sizeof(login->sha256));
	login->until_ms = loop_wall_ms() + LOGIN_MS;
	return login;
}

struct login *
login_find(struct logins *logins, struct str id)
{
	struct login *found = NULL;
	uint64_t now = loop_wall_ms();

	if (id.len != SECRET_TEXT_LEN)
		return NULL;
	for (int i = 0; i < LOGINS_MAX; i++)
		if (logins->items[i].until_ms > now &&
		    crypto_equal(logins->items[i].id, id.ptr, SECRET_TEXT_LEN))
			found = &logins->items[i];
	return found;
}

void
login_end(struct login *login)
{
	crypto_wipe(login, sizeof(*login));
}

bool
login_may_change(const struct login *login, const char *text)
{
	return text != NULL && strlen(text) == SECRET_TEXT_LEN &&
	    crypto_equal(login->csrf, text, SECRET_TEXT_LEN);
}

struct str
cookie_find(const char *header, const char *name)
{
	struct str rest = str_of(header), item, key, value;

	while (rest.len > 0) {
		str_split(rest, ';', &item, &rest);
		while (item.len > 0 && item.ptr[0] == ' ') {
			item.ptr++;
			item.len--;
		}
		if (str_split(item, '=', &key, &value) &&
		    str_equal(key, str_of(name)))
			return value;
	}
	return (struct str){NULL, 0};
}
