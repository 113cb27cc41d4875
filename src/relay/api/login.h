/* SPDX-License-Identifier: MIT */
/*
 * Who has logged in at the dashboard: a cookie stands for a token, for some hours, so that the
 * browser need not keep the token itself. Whether the token is still good is asked with each call.
 * A change needs a second value, which is in no cookie: no other page can make the browser send it.
 */
#ifndef TAUPE_RELAY_API_LOGIN_H
#define TAUPE_RELAY_API_LOGIN_H

#include "admin/secret.h"
#include "base/token_record.h"

#define LOGINS_MAX 64
#define LOGINS_OF_TOKEN 4
#define LOGIN_MS (12 * 3600 * 1000)

struct login {
	char id[SECRET_TEXT_LEN + 1]; /* "": free */
	char csrf[SECRET_TEXT_LEN + 1];
	char name[DEVICE_NAME_MAX + 1]; /* of the token */
	uint8_t sha256[SECRET_HASH_LEN];
	uint64_t until_ms; /* wall clock */
};

/* All zeros: nobody. */
struct logins {
	struct login items[LOGINS_MAX];
};

/* In the place of the token's own oldest, if it has as many as it may or there is no room; never in
 * another's. NULL: there is no room, and it has none. */
const struct login *login_add(
    struct logins *logins, const struct token_record *token);
/* By the cookie's value. NULL: nobody who has logged in lately. */
struct login *login_find(struct logins *logins, struct str id);
void login_end(struct login *login);
/* Is this the second value? text may be NULL. */
bool login_may_change(const struct login *login, const char *text);

/* The value of a cookie of that name in a Cookie header, which may be NULL; absent: none. */
struct str cookie_find(const char *header, const char *name);

#endif
