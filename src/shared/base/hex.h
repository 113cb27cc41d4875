/* SPDX-License-Identifier: MIT */
/* Bytes from lower-case hexadecimal digits; writer_hex() is the other direction. */
#ifndef TAUPE_BASE_HEX_H
#define TAUPE_BASE_HEX_H

#include "wire/str.h"

/* False: it is not exactly 2 * len such digits. */
bool hex_decode(struct str text, uint8_t *out, size_t len);

#endif
