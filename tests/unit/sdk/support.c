/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "../guard.h"
#include "support.h"

#define GUARDED_MAX 65536

uint32_t test_jitter = 1;

void
bytes_add(struct bytes *b, const void *data, size_t len)
{
	ck_assert_uint_le(b->len + len, sizeof(b->data));
	if (len > 0)
		memcpy(b->data + b->len, data, len);
	b->len += len;
}

void
bytes_add_text(struct bytes *b, const char *text)
{
	bytes_add(b, text, strlen(text));
}

void
relay_frame(
    struct bytes *b, enum ws_opcode opcode, const void *payload, size_t len)
{
	struct ws_header header = {
	    .length = len, .opcode = opcode, .fin = true};
	uint8_t out[WS_HEADER_MAX];

	bytes_add(b, out, ws_header_encode(&header, out));
	bytes_add(b, payload, len);
}

void
relay_text(struct bytes *b, const char *text)
{
	relay_frame(b, WS_OP_TEXT, text, strlen(text));
}

void
relay_close(struct bytes *b, unsigned code, const char *reason)
{
	uint8_t payload[WS_CONTROL_MAX] = {(uint8_t)(code >> 8), (uint8_t)code};

	memcpy(payload + 2, reason, strlen(reason));
	relay_frame(b, WS_OP_CLOSE, payload, 2 + strlen(reason));
}

const char *
request_field(const void *request, size_t len, const char *name)
{
	static char value[2048];
	struct http_head head;
	size_t consumed;

	ck_assert_int_eq(
	    http_request_parse(request, len, &head, &consumed), WIRE_DONE);
	ck_assert_uint_eq(consumed, len);
	ck_assert(str_copy(http_field_get(&head, name), value, sizeof(value)));
	return value;
}

void
relay_accept(struct bytes *b, const void *request, size_t len)
{
	struct http_head head;
	const char *error;
	struct str key;
	struct writer w;
	size_t consumed;

	ck_assert_int_eq(
	    http_request_parse(request, len, &head, &consumed), WIRE_DONE);
	ck_assert_uint_eq(consumed, len);
	ck_assert_uint_eq(handshake_request_check(&head, &key, &error), 101);
	writer_init(&w, b->data + b->len, sizeof(b->data) - b->len);
	handshake_response_write(&w, key.ptr);
	ck_assert(!w.full);
	b->len += writer_len(&w);
}

enum ws_opcode
agent_frame(uint8_t **data, size_t *len, char *text, size_t cap)
{
	struct ws_header header;
	size_t consumed;

	ck_assert_int_eq(
	    ws_header_decode(*data, *len, &header, &consumed), WIRE_DONE);
	ck_assert(header.masked);
	ck_assert(header.fin);
	ck_assert_uint_le(header.length, *len - consumed);
	ck_assert_uint_lt(header.length, cap);
	ws_mask(*data + consumed, (size_t)header.length, header.mask, 0);
	memcpy(text, *data + consumed, (size_t)header.length);
	text[header.length] = '\0';
	*data += consumed + header.length;
	*len -= consumed + (size_t)header.length;
	return header.opcode;
}

uint8_t *
guarded(const void *data, size_t len)
{
	static uint8_t *pages;

	ck_assert_uint_le(len, GUARDED_MAX);
	if (pages == NULL) {
		pages = guard_area(GUARDED_MAX);
		ck_assert_ptr_nonnull(pages);
	}
	if (len > 0)
		memcpy(pages + GUARDED_MAX - len, data, len);
	return pages + GUARDED_MAX - len;
}

void
test_random_cb(void *ctx, void *out, size_t len)
{
	static uint32_t state = 12345;
	uint8_t *bytes = out;

	(void)ctx;
	for (size_t i = 0; i < len; i++) {
		state = state * 1664525 + 1013904223;
		bytes[i] = test_jitter == 0	? 0
		    : test_jitter == UINT32_MAX ? 0xff
						: (uint8_t)(state >> 24);
	}
}

int
run_suite(const char *name, const TTest *const tests[], size_t n_tests)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner;
	int failed;

	for (size_t i = 0; i < n_tests; i++)
		tcase_add_test(tcase, tests[i]);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
