/* SPDX-License-Identifier: MIT */
/*
 * Who may visit a service, as the operator has decided, and the links that were given away to
 * it. In a device's record, each is one pair: access/SERVICE → a rule, share/ID → a share, each
 * the form-encoded list that is parsed and written here. A service without a rule is public.
 *
 * Nothing here knows how a rule is enforced, or what a hash is made of.
 */
#ifndef TAUPE_BASE_ACCESS_RULE_H
#define TAUPE_BASE_ACCESS_RULE_H

#include "wire/control_msg.h"

#define ACCESS_KEY_LEN 32  /* of the HMAC that signs its share links */
#define ACCESS_SALT_LEN 16
#define ACCESS_HASH_LEN 32 /* HMAC-SHA256 of "USER:PASSWORD", keyed with the salt */
#define ACCESS_USER_MAX 64
#define ACCESS_NETS_MAX 16
#define ACCESS_ERROR_MAX 160
#define ACCESS_TEXT_MAX 1200 /* bytes of a rule's or a share's text */

enum access_mode {
	ACCESS_PUBLIC,	 /* anybody */
	ACCESS_PASSWORD, /* who knows it (HTTP Basic, RFC 7617), or has a share link */
	ACCESS_ALLOW,	 /* who comes from one of the networks, or has a share link */
	ACCESS_PRIVATE	 /* who has a share link */
};

/* "192.0.2.0/24", "2001:db8::/32" */
struct access_net {
	uint8_t ip[16]; /* in network order; IPv4 uses the first four */
	uint8_t ip_len; /* 4 or 16 */
	uint8_t bits;
};

struct access_rule {
	char service[SERVICE_NAME_MAX + 1];
	enum access_mode mode;
	uint8_t key[ACCESS_KEY_LEN]; /* not of a public one */
	/* ACCESS_PASSWORD */
	char user[ACCESS_USER_MAX + 1];
	uint8_t salt[ACCESS_SALT_LEN], hash[ACCESS_HASH_LEN];
	/* ACCESS_ALLOW: at least one */
	size_t n_nets;
	struct access_net nets[ACCESS_NETS_MAX];
};

#define SHARE_ID_LEN 16 /* lower-case hex digits */
#define SHARE_NOTE_MAX 60
#define SHARES_MAX 32 /* of a device */

/* A share link: what its token says, and what became of it. */
struct access_share {
	char id[SHARE_ID_LEN + 1];
	char service[SERVICE_NAME_MAX + 1];
	uint64_t created_ms, expires_ms; /* wall clock */
	char by[SHARE_NOTE_MAX + 1];	 /* who has made it; "": not known */
	char note[SHARE_NOTE_MAX + 1];
	bool revoked;
};

/* All of a device. Shared between copies of its record, and never changed then. */
struct access {
	unsigned n_keepers;
	size_t n_rules, n_shares;
	struct access_rule *rules;
	struct access_share *shares;
};

/* "public", "password", "allow", "private" */
const char *access_mode_name(enum access_mode mode);
bool access_mode_parse(struct str text, enum access_mode *mode);

/* -1 with error filled: what is wrong with it, and for host bits that are set what was meant. */
int access_net_parse(
    struct str text, struct access_net *net, char error[ACCESS_ERROR_MAX]);
void access_net_write(struct writer *w, const struct access_net *net);
bool access_net_has(
    const struct access_net *net, const uint8_t *ip, size_t ip_len);
/* May it be the user of HTTP Basic? Without a colon, which would end it; visible ASCII alone. */
bool access_user_valid(struct str user);
bool share_id_valid(struct str id);

/* A rule's text, with all that its mode needs, and no key that is another mode's; a mode that is
 * not known is refused. Does not touch rule->service. */
bool access_rule_parse(struct access_rule *rule, struct str text);
void access_rule_write(struct writer *w, const struct access_rule *rule);
/* The same of a share; its id is not in the text. */
bool access_share_parse(struct access_share *share, struct str text);
void access_share_write(struct writer *w, const struct access_share *share);

/* access may be NULL: all is public, and there are no shares. */
struct access *access_keep(struct access *access);
void access_drop(struct access **access);
/* The rule of a service; NULL: it is public. */
const struct access_rule *access_rule_of(
    const struct access *access, struct str service);
const struct access_share *access_share_of(
    const struct access *access, struct str id);
bool access_equal(const struct access *a, const struct access *b);

/* Put a rule or a share in, in place of one of the same service or id; a public rule takes the other
 * away, and the shares of its service. *access is made if it is NULL, and copied first if it has
 * another keeper. -1: no memory, or too many. */
int access_put_rule(struct access **access, const struct access_rule *rule);
int access_put_share(struct access **access, const struct access_share *share);
/* Leave out the shares whose time is over. -1: no memory. */
int access_forget_expired(struct access **access, uint64_t now_ms);

#endif
