/* SPDX-License-Identifier: MIT */
#ifndef TAUPE_CTL_SECRET_H
#define TAUPE_CTL_SECRET_H

#include "ctl/ctl.h"

#define SECRET_TEXT_LEN 43 /* base64url of 256 bits */

/* 256 random bits as text. The caller wipes it. */
void secret_draw_text(char secret[SECRET_TEXT_LEN + 1]);
/* The same, and what is stored of it. */
void secret_draw(
    char secret[SECRET_TEXT_LEN + 1], uint8_t sha256[SECRET_HASH_LEN]);

/* Show what was drawn, this once: alone on standard output, or with --json as the member of that key
 * of an object, which is taken. hint tells people where to put it. Returns an exit code. */
int secret_show(const struct ctl *ctl, json_t *json, const char *key,
    const char *secret, const char *hint);

#endif
