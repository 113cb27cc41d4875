/* SPDX-License-Identifier: MIT */
/*
 * The token of a share link: a JWT (RFC 7519) with HS256 (RFC 7518 section 3.2), which HAProxy
 * can check as well as we can. One for the link, which is opened once and noted, and one for the
 * cookie that its visitor gets then: neither passes for the other.
 */
#ifndef TAUPE_NET_SHARE_TOKEN_H
#define TAUPE_NET_SHARE_TOKEN_H

#include "base/access_rule.h"

#define SHARE_SUBJECT_MAX (DEVICE_NAME_MAX + 1 + SERVICE_NAME_MAX) /* "alice/web" */
#define SHARE_TOKEN_MAX 512 /* bytes of a token's text, the NUL included */

enum share_use { SHARE_LINK, SHARE_VISIT };

struct share_token {
	enum share_use use;	     /* "aud" */
	uint64_t expires_s;	     /* "exp": wall clock; at this second it is over */
	char id[SHARE_ID_LEN + 1];   /* "jti" */
	char subject[SHARE_SUBJECT_MAX + 1]; /* "sub": DEVICE/SERVICE */
};

/* Write the text. Precondition: id and subject are in order. */
void share_token_make(const uint8_t key[ACCESS_KEY_LEN],
    const struct share_token *token, char out[SHARE_TOKEN_MAX]);
/* False: it is none of ours, for this key. Whether it is over, revoked, or for another use is the
 * caller's question. Compares in constant time. */
bool share_token_read(const uint8_t key[ACCESS_KEY_LEN], struct str text,
    struct share_token *token);

/* What a token says, whoever has made it: for who has no key. False: it is of another form. */
bool share_token_look(struct str text, struct share_token *token);

#endif
