/* SPDX-License-Identifier: MIT */
/*
 * HTTP heads, as request and as response, and the handshake checks on what was taken.
 * A shorter input wants more or is bad for the same reason, never taken for whole.
 */
#include "wire/http_head.h"

#include "require.h"
#include "wire/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

typedef enum wire_result (*parse_cb)(
    const char *in, size_t len, struct http_head *head, size_t *consumed);

static void
require_inside(struct str part, const char *in, size_t len)
{
	if (part.ptr == NULL)
		return;
	REQUIRE(part.ptr >= in && part.ptr <= in + len);
	REQUIRE(part.len <= (size_t)(in + len - part.ptr));
	for (size_t i = 0; i < part.len; i++)
		REQUIRE(part.ptr[i] != '\r' && part.ptr[i] != '\n' &&
		    part.ptr[i] != '\0');
}

static void
require_sound(const struct http_head *head, const char *in, size_t consumed)
{
	REQUIRE(consumed >= 4 && memcmp(in + consumed - 4, "\r\n\r\n", 4) == 0);
	REQUIRE(head->n_fields <= HTTP_FIELDS_MAX);
	require_inside(head->method, in, consumed);
	require_inside(head->target, in, consumed);
	require_inside(head->phrase, in, consumed);
	for (size_t i = 0; i < head->n_fields; i++) {
		REQUIRE(head->fields[i].name.len > 0);
		require_inside(head->fields[i].name, in, consumed);
		require_inside(head->fields[i].value, in, consumed);
	}
}

static void
check_handshake(const struct http_head *head)
{
	struct str key = {NULL, 0}, secret = handshake_bearer(head);
	const char *error;
	unsigned status = handshake_request_check(head, &key, &error);

	REQUIRE(status == 101 || status == 400 || status == 426);
	REQUIRE((status == 101) == (error == NULL) &&
	    (status == 101) == (key.ptr != NULL));
	REQUIRE(secret.ptr == NULL || handshake_secret_valid(secret));
	REQUIRE(handshake_response_check(head, STR("dGhlIHNhbXBsZSBub25jZQ=="),
		    &error) == (error == NULL));
}

static void
check(parse_cb parse, const uint8_t *data, size_t len, size_t cut)
{
	char *in = calloc(1, len > 0 ? len : 1);
	struct http_head head, cut_head;
	size_t consumed = 0, cut_consumed = 0;
	enum wire_result whole, part;

	REQUIRE(in != NULL);
	if (len > 0)
		memcpy(in, data, len);
	part = parse(in, cut, &cut_head, &cut_consumed);
	whole = parse(in, len, &head, &consumed);
	REQUIRE(whole != WIRE_MORE || len < HTTP_HEAD_MAX);
	REQUIRE(whole != WIRE_BAD || head.error != NULL);
	if (part != WIRE_MORE)
		REQUIRE(part == whole && cut_consumed == consumed);
	if (part == WIRE_BAD)
		REQUIRE(strcmp(cut_head.error, head.error) == 0);
	if (whole == WIRE_DONE) {
		REQUIRE(consumed <= len);
		require_sound(&head, in, consumed);
		check_handshake(&head);
		REQUIRE(parse(in, consumed - 1, &cut_head, &cut_consumed) ==
		    WIRE_MORE);
	}
	free(in);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t cut = len > 0 ? data[len - 1] * len / 256 : 0;

	check(http_request_parse, data, len, cut);
	check(http_response_parse, data, len, cut);
	return 0;
}
