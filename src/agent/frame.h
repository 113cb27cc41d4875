/* SPDX-License-Identifier: MIT */
/* A frame of the driver's own (RFC 6455 section 5.2), for what libtaupe has no message for: where it
 * stands between libtaupe's, it is one message more. */
#ifndef TAUPE_AGENT_FRAME_H
#define TAUPE_AGENT_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_TEXT 0x81
#define FRAME_CLOSE 0x88
#define FRAME_PING 0x89
#define FRAME_HEADER_MAX 8 /* for up to 65,535 bytes of payload */

/* Write a masked frame into out, which has room for FRAME_HEADER_MAX bytes more than len. Its length. */
size_t frame_write(uint8_t op, const void *payload, size_t len, uint8_t *out);

#endif
