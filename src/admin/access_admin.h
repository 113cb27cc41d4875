/* SPDX-License-Identifier: MIT */
/*
 * Who may visit what, as operators change it: rules of services, and share links. Keys, salts and
 * ids are drawn here; the store only keeps what comes of it.
 */
#ifndef TAUPE_ADMIN_ACCESS_ADMIN_H
#define TAUPE_ADMIN_ACCESS_ADMIN_H

#include "admin/admin.h"
#include "net/share_token.h"

#define SHARE_FOR_MAX_MS (UINT64_C(366) * 24 * 3600 * 1000)
#define SHARE_URL_MAX 1024 /* bytes, the NUL included */
#define ACCESS_PASSWORD_MIN 8
#define ACCESS_PASSWORD_MAX 198
#define ACCESS_USER_DEFAULT "visitor"

/* What is wanted of one service. */
struct access_wish {
	struct access_rule rule; /* but for key, salt and hash */
	const char *password;	 /* ACCESS_PASSWORD */
};

/* Parse "web=password", "web=allow:192.0.2.0/24,2001:db8::/32", "web=private", "web=public".
 * Returns a code: ADMIN_INVALID says what is wrong. */
int admin_access_parse(
    struct admin *admin, const char *text, struct access_wish *wish);

/* Set them, all at once. A service that has a rule keeps its key, so that the links that were
 * given away go on; one that becomes public loses them. */
int admin_access_set(struct admin *admin, const char *name,
    const struct access_wish *wishes, size_t n);

/* Only a fast hash of a password is stored, so that a short one could be guessed from it. */
bool admin_password_valid(struct str password);

bool admin_share_note_valid(struct str note);
/* May links begin with it? "https://cam.example.com" */
bool admin_share_base_valid(const char *base);
/* Make a share link. base: of the host that visitors use, "https://cam.example.com/"; NULL: it is
 * looked up, and relay, "https://relay.example.com" or NULL, stands in where no http service is
 * found. *share: what was made; its service, expires_ms, by and note are the caller's. */
int admin_share_make(struct admin *admin, const char *name,
    struct access_share *share, const char *base, const char *relay,
    char url[SHARE_URL_MAX]);
/* The token of a share link for who makes it and uses it at once: it is good for so long, and on no
 * list. "": the service is public, and needs none. */
int admin_share_pass(struct admin *admin, const char *name,
    const char *service, uint64_t for_ms, char token[SHARE_TOKEN_MAX]);
/* End a share link of a device. */
int admin_share_end(struct admin *admin, const char *name, const char *id);
/* The same, of whichever device; name gets that. */
int admin_share_revoke(
    struct admin *admin, const char *id, char name[DEVICE_NAME_MAX + 1]);

/* End all share links of a service, also those that nobody knows of: it has another key from then on, and
 * its rule stays. */
int admin_share_revoke_all(
    struct admin *admin, const char *name, const char *service);

/* The rules as an object by service, the shares as an array; keys and hashes are in neither. */
json_t *admin_access_json(const struct access *access);
json_t *admin_share_json(const struct access_share *share);
json_t *admin_shares_json(const struct access *access);

#endif
