/* SPDX-License-Identifier: MIT */
/* Tokens of the admin API: "NAME.SECRET", of which the registry has a hash. */
#ifndef TAUPE_ADMIN_TOKEN_H
#define TAUPE_ADMIN_TOKEN_H

#include "admin/admin.h"
#include "admin/secret.h"

#define TOKEN_TEXT_MAX (DEVICE_NAME_MAX + 1 + SECRET_TEXT_LEN)

/* Make a record of a name and role, good for a time (0: for ever), and its text, which the caller
 * shows once and wipes. */
void token_draw(struct token_record *record, const char *name,
    enum token_role role, uint64_t for_ms, char text[TOKEN_TEXT_MAX + 1]);

/* The name in a token's text. False: it is none. */
bool token_name(struct str text, char name[DEVICE_NAME_MAX + 1]);

/* Whose is it? ADMIN_UNKNOWN: nobody's that is good now. */
int token_check(
    struct admin *admin, struct str text, struct token_record *record);

#endif
