/* SPDX-License-Identifier: MIT */
/* Secrets that the operator's side draws: of devices, and the keys of fleets. */
#ifndef TAUPE_ADMIN_SECRET_H
#define TAUPE_ADMIN_SECRET_H

#include "base/device_record.h"

#define SECRET_TEXT_LEN 43 /* base64url of 256 bits */

/* 256 random bits as text. The caller wipes it. */
void secret_draw_text(char secret[SECRET_TEXT_LEN + 1]);
/* The same, and what is stored of it. */
void secret_draw(
    char secret[SECRET_TEXT_LEN + 1], uint8_t sha256[SECRET_HASH_LEN]);

#endif
