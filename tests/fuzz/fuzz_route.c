/* SPDX-License-Identifier: MIT */
/* Keys and values of routes, as Redis has them and as HAProxy's maps and files have them. */
#include "net/route.h"

#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_target(const struct route_target *target)
{
	char text[ROUTE_VALUE_TEXT_MAX];
	struct route_target again;

	REQUIRE(
	    target->ip_len == 0 || target->ip_len == 4 || target->ip_len == 16);
	REQUIRE(route_target_parse(
	    str_of(route_target_text(target, text)), &again));
	REQUIRE(route_target_equal(target, &again));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str text = {(const char *)data, len}, key;
	struct route_target target;
	enum route_kind kind;
	uint64_t epoch;

	if (route_key_parse(text, &kind, &key)) {
		REQUIRE(key.len > 0 && key.len <= ROUTE_KEY_TEXT_MAX);
		REQUIRE(key.ptr >= text.ptr &&
		    key.ptr + key.len == text.ptr + text.len);
		REQUIRE(route_key_valid(kind, key));
		for (size_t i = 0; i < key.len; i++)
			REQUIRE(key.ptr[i] > ' ' && key.ptr[i] < 0x7f);
	}
	if (route_value_parse(text, &target, &epoch)) {
		REQUIRE(target.ip_len != 0);
		check_target(&target);
	}
	if (route_target_parse(text, &target))
		check_target(&target);
	return 0;
}
