/* SPDX-License-Identifier: MIT */
/*
 * HTTP heads, as request and as answer, and the handshake checks on what was taken.
 * A shorter input wants more or is bad for the same reason, never taken for whole.
 */
#include "wire/http_head.h"

#include "require.h"
#include "wire/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

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
}

static void
check_request(const char *in, size_t len, size_t cut)
{
	struct http_head head, cut_head;
	size_t consumed = 0, cut_consumed = 0;
	enum wire_result whole, part;

	part = http_request_parse(in, cut, &cut_head, &cut_consumed);
	whole = http_request_parse(in, len, &head, &consumed);
	REQUIRE(whole != WIRE_MORE || len < HTTP_HEAD_MAX);
	REQUIRE(whole != WIRE_BAD || head.error != NULL);
	if (part != WIRE_MORE)
		REQUIRE(part == whole && cut_consumed == consumed);
	if (part == WIRE_BAD)
		REQUIRE(strcmp(cut_head.error, head.error) == 0);
	if (whole != WIRE_DONE)
		return;
	REQUIRE(consumed <= len);
	require_sound(&head, in, consumed);
	check_handshake(&head);
	REQUIRE(http_request_parse(
		    in, consumed - 1, &cut_head, &cut_consumed) == WIRE_MORE);
}

static void
check_answer(const char *in, size_t len, size_t cut)
{
	struct http_answer answer, cut_answer;
	size_t consumed = 0, cut_consumed = 0;
	enum wire_result whole, part;
	const char *wrong;

	part = http_answer_parse(in, cut, &cut_answer, &cut_consumed);
	whole = http_answer_parse(in, len, &answer, &consumed);
	REQUIRE(whole != WIRE_BAD || answer.error != NULL);
	if (part != WIRE_MORE)
		REQUIRE(part == whole && cut_consumed == consumed);
	if (part == WIRE_BAD)
		REQUIRE(strcmp(cut_answer.error, answer.error) == 0);
	if (whole != WIRE_DONE)
		return;
	REQUIRE(
	    consumed <= len && memcmp(in + consumed - 4, "\r\n\r\n", 4) == 0);
	REQUIRE(answer.status >= 100 && answer.status <= 599);
	REQUIRE(answer.minor <= 1);
	for (size_t i = 0; i < HTTP_ANSWER_FIELDS; i++)
		if (answer.fields[i].len > 0)
			require_inside(answer.fields[i], in, consumed);
	wrong = handshake_answer_check(&answer, "dGhlIHNhbXBsZSBub25jZQ==");
	REQUIRE(answer.status == 101 || wrong != NULL);
	REQUIRE(http_answer_parse(
		    in, consumed - 1, &cut_answer, &cut_consumed) == WIRE_MORE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t cut = len > 0 ? data[len - 1] * len / 256 : 0;
	char *in = calloc(1, len > 0 ? len : 1);

	REQUIRE(in != NULL);
	if (len > 0)
		memcpy(in, data, len);
	check_request(in, len, cut);
	check_answer(in, len, cut);
	free(in);
	return 0;
}
