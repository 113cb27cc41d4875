/* SPDX-License-Identifier: MIT */
/*
 * The requests of a connection, in one piece and byte for byte: both must find the same ones. Where
 * a body is chunked, a reader of this file's own, which takes it as a whole, must find its end at the
 * same place. What is written anew is a head that says the same, and says who the visitor is once.
 */
#include "wire/http_forward.h"
#include "wire/http_stream.h"

#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define HEADS_MAX 64

struct found {
	size_t n_heads, heads[HEADS_MAX]; /* where each begins */
	size_t bodies;			  /* bytes of them */
	size_t end;			  /* so far it went well */
	unsigned status;
	unsigned part;
};

/* Where the chunked body at the start of in ends, without its trailers; 0: it is not whole, or bad. */
static size_t
end_of_chunks(const char *in, size_t len)
{
	size_t at = 0;

	for (;;) {
		uint64_t size = 0;
		size_t digits = 0, line = at;

		for (; at < len && digits < 15; at++, digits++) {
			const char *hex = "0123456789abcdef";
			char c = in[at] >= 'A' && in[at] <= 'F'
			    ? (char)(in[at] + 32)
			    : in[at];
			const char *found = c != '\0' ? strchr(hex, c) : NULL;

			if (found == NULL)
				break;
			size = size * 16 + (uint64_t)(found - hex);
		}
		if (digits == 0)
			return 0;
		while (at < len && in[at] != '\n')
			at++;
		if (at == len || at == line || in[at - 1] != '\r')
			return 0;
		at++;
		if (size == 0)
			return at;
		if (size > len - at || len - at - size < 2)
			return 0;
		at += size + 2;
	}
}

static void
check_forward(const struct http_head *head, bool upgrades)
{
	static char out[2 * HTTP_HEAD_MAX + HTTP_FORWARD_MAX];
	struct http_forward forward = {.from = STR("192.0.2.1"),
	    .scheme = STR("http"),
	    .upgrades = upgrades};
	struct http_head again;
	struct writer w;
	size_t consumed;

	writer_init(&w, out, sizeof(out));
	http_forward_head(head, &forward, &w);
	REQUIRE(!w.full);
	if (writer_len(&w) > HTTP_HEAD_MAX ||
	    head->n_fields > HTTP_FIELDS_MAX - 3)
		return;
	REQUIRE(http_request_parse(out, writer_len(&w), &again, &consumed) ==
	    WIRE_DONE);
	REQUIRE(consumed == writer_len(&w));
	REQUIRE(str_equal(again.method, head->method) &&
	    str_equal(again.target, head->target));
	REQUIRE(str_is(http_field_get(&again, "X-Forwarded-For"), "192.0.2.1"));
	REQUIRE(http_field_count(&again, "X-Forwarded-Host") == 1);
	REQUIRE(http_field_count(&again, "Forwarded") == 0);
	REQUIRE(upgrades || http_field_count(&again, "Upgrade") == 0);
	REQUIRE(http_field_count(&again, "Content-Length") ==
	    http_field_count(head, "Content-Length"));
	REQUIRE(http_field_count(&again, "Transfer-Encoding") ==
	    http_field_count(head, "Transfer-Encoding"));
}

/* Take what is at in[found->end..len). False: no more can be taken. */
static bool
take(struct http_stream *stream, const char *in, size_t len,
    struct found *found, bool whole)
{
	const char *at = in + found->end, *error = NULL;
	size_t left = len - found->end, consumed = 0;
	struct http_head head;
	enum wire_result result;

	switch (stream->part) {
	case HTTP_HEAD:
		result = http_request_parse(at, left, &head, &consumed);
		if (result == WIRE_BAD)
			found->status = head.error_status;
		if (result != WIRE_DONE)
			return false;
		if (found->n_heads < HEADS_MAX)
			found->heads[found->n_heads] = found->end;
		found->n_heads++;
		found->status = http_stream_begin(stream, &head, &error);
		REQUIRE((found->status != 0) == (error != NULL));
		if (found->status != 0)
			return false;
		if (http_field_count(&head, "Host") == 1)
			check_forward(&head, stream->part == HTTP_SWITCH);
		found->end += consumed;
		if (whole && stream->chunked && stream->part == HTTP_BODY) {
			size_t passed = 0, end = end_of_chunks(
					       in + found->end, len - found->end);
			struct http_stream copy = *stream;

			result = http_stream_body(
			    &copy, in + found->end, len - found->end, &passed);
			REQUIRE(result != WIRE_DONE || passed == end);
		}
		return true;
	case HTTP_TRAILERS:
		result = http_trailers_parse(at, left, &head, &consumed);
		if (result == WIRE_BAD)
			found->status = head.error_status;
		if (result != WIRE_DONE)
			return false;
		found->end += consumed;
		http_stream_end_trailers(stream);
		return true;
	case HTTP_BODY:
		if (left == 0)
			return false;
		result = http_stream_body(stream, at, left, &consumed);
		REQUIRE(consumed <= left);
		REQUIRE(result != WIRE_MORE || consumed == left);
		found->bodies += consumed;
		found->end += consumed;
		if (result == WIRE_BAD)
			found->status = 400;
		return result == WIRE_DONE;
	default:
		return false;
	}
}

static void
check_switch(const char *in, size_t len)
{
	struct http_switch look = {0}, slow = {0};
	bool yes = false, slow_yes = false;
	enum wire_result result = http_switch_look(&look, in, len, &yes),
			 slow_result = WIRE_MORE;

	for (size_t i = 0; i < len && slow_result == WIRE_MORE; i++)
		slow_result = http_switch_look(&slow, in + i, 1, &slow_yes);
	REQUIRE(result == slow_result && yes == slow_yes);
	REQUIRE(!yes || result == WIRE_DONE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *in = (const char *)data;
	struct http_stream stream, slow_stream;
	struct found found = {0}, slow = {0};

	http_stream_init(&stream);
	while (take(&stream, in, len, &found, true))
		;
	found.part = stream.part;
	http_stream_init(&slow_stream);
	for (size_t have = 1; have <= len && slow.status == 0; have++)
		while (take(&slow_stream, in, have, &slow, false))
			;
	slow.part = slow_stream.part;
	REQUIRE(found.status == slow.status && found.part == slow.part);
	REQUIRE(found.end == slow.end && found.bodies == slow.bodies);
	REQUIRE(found.n_heads == slow.n_heads);
	for (size_t i = 0; i < found.n_heads && i < HEADS_MAX; i++)
		REQUIRE(found.heads[i] == slow.heads[i]);
	check_switch(in, len);
	return 0;
}
