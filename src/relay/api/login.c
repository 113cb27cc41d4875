/* SPDX-License-Identifier: MIT */
#include "relay/api/login.h"

#include <string.h>

#include "net/crypto.h"
#include "net/loop.h"

/* The oldest of those in use, if its token has as many as it may; else a free one. */
static struct login *
find_room(struct logins *logins, const char *name, uint64_t now)
{
	struct login *oldest = NULL, *room = NULL;
	int n = 0;

	for (int i = 0; i < LOGINS_MAX; i++) {
		struct login *login = &logins->items[i];

		if (login->until_ms <= now) {
			room = login;
		} else if (strcmp(login->name, name) == 0) {
			n++;
			if (oldest == NULL ||
			    login->until_ms < oldest->until_ms)
				oldest = login;
		}
	}
	return n < LOGINS_OF_TOKEN && room != NULL ? room : oldest;
}

const struct login *
login_add(struct logins *logins, const struct token_record *token)
{
	uint64_t now = loop_wall_ms();
	struct login *login = find_room(logins, token->name, now);

	if (login == NULL)
		return NULL;
	secret_draw_text(login->id);
	secret_draw_text(login->csrf);
	memcpy(login->name, token->name, sizeof(login->name));
	memcpy(login->sha256, token->sha256, sizeof(login->sha256));
	login->until_ms = now + LOGIN_MS;
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
