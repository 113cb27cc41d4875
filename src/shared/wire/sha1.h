/* SPDX-License-Identifier: MIT */
/* SHA-1 (FIPS 180-4), for Sec-WebSocket-Accept alone: no secret depends on it. */
#ifndef TAUPE_WIRE_SHA1_H
#define TAUPE_WIRE_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define SHA1_LEN 20

/* The digest of a followed by b. */
void sha1_digest(const void *a, size_t a_len, const void *b, size_t b_len,
    uint8_t digest[SHA1_LEN]);

#endif
