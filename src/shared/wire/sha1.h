/* SPDX-License-Identifier: MIT */
/* SHA-1 (FIPS 180-4), for Sec-WebSocket-Accept alone: no secret depends on it. */
#ifndef TAUPE_WIRE_SHA1_H
#define TAUPE_WIRE_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define SHA1_LEN 20

/* The digest of data, of less than half a gigabyte. */
void sha1_digest(const void *data, size_t len, uint8_t digest[SHA1_LEN]);

#endif
