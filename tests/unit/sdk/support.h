/* SPDX-License-Identifier: MIT */
/* What the tests of libtaupe share: a relay's voice, and ears for the agent's. */
#ifndef TAUPE_TESTS_SDK_SUPPORT_H
#define TAUPE_TESTS_SDK_SUPPORT_H

#include <check.h>

#include "sdk/taupe.h"
#include "wire/control_msg.h"
#include "wire/handshake.h"
#include "wire/ws_reader.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Bytes that grow. */
struct bytes {
	uint8_t data[20000];
	size_t len;
};

void bytes_add(struct bytes *b, const void *data, size_t len);
void bytes_add_text(struct bytes *b, const char *text);

/* Append one of a relay's frames (not masked). */
void relay_frame(
    struct bytes *b, enum ws_opcode opcode, const void *payload, size_t len);
void relay_text(struct bytes *b, const char *text);
void relay_close(struct bytes *b, unsigned code, const char *reason);
/* Append the 101 that answers this request. */
void relay_accept(struct bytes *b, const void *request, size_t len);

/* The value of a field of a request, or "" (in a static buffer). */
const char *request_field(const void *request, size_t len, const char *name);

/* Take the first frame off data (an agent's, masked): its payload is unmasked in place and
 * terminated by cutting it out into text. Returns the opcode; fails the test when there is
 * no whole frame. */
enum ws_opcode agent_frame(uint8_t **data, size_t *len, char *text, size_t cap);

/* A copy whose last byte lies right before an inaccessible page; valid until the next. */
uint8_t *guarded(const void *data, size_t len);

/* Random for libtaupe: 32-bit values that repeat. jitter 0: all zero; UINT32_MAX: all ones;
 * else a generator. */
extern uint32_t test_jitter;
void test_random_cb(void *ctx, void *out, size_t len);

int run_suite(const char *name, const TTest *const tests[], size_t n_tests);

#endif
