/* SPDX-License-Identifier: MIT */
/*
 * Unpredictable bytes, for frame masks, WebSocket keys, the jitter of attempts, and lwIP's ports
 * and sequence numbers.
 */
#ifndef RANDOM_H
#define RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Mix in something that others do not know, or know less well: the device's secret, times. */
void random_stir(const void *data, size_t len);
void random_bytes(void *out, size_t len);
uint32_t random_u32(void);

#endif
