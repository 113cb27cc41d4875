/* SPDX-License-Identifier: MIT */
/*
 * Replies of HAProxy's runtime socket: whole and cut in two they are the same, and what
 * is read out of them lies within them.
 */
#include "net/hap_reply.h"

#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
require_inside(struct str text, struct str part)
{
	REQUIRE(
	    part.ptr >= text.ptr && part.ptr + part.len <= text.ptr + text.len);
}

static void
read_reply(struct str text)
{
	struct hap_map_line line;
	struct hap_info info;
	struct str rest = text, value;
	uint64_t version;

	while (hap_map_line_next(&rest, &line))
		require_inside(text, line.file);
	if (hap_info_parse(text, &info))
		REQUIRE(info.version[0] != '\0');
	if (hap_value_parse(text, &value) && value.ptr != NULL)
		require_inside(text, value);
	if (hap_version_parse(text, &version))
		REQUIRE(version <= UINT32_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *bytes = (const char *)data;
	size_t cut = len > 0 ? data[0] % len : 0;
	struct hap_reply whole = {0}, split = {0};
	struct str a = STR(""), b = STR("");
	enum wire_result one = hap_reply_feed(&whole, bytes, len, &a), two;

	two = hap_reply_feed(&split, bytes, cut, &b);
	if (two == WIRE_MORE)
		two = hap_reply_feed(&split, bytes + cut, len - cut, &b);
	if (one == WIRE_DONE) {
		REQUIRE(two == WIRE_DONE && str_equal(a, b));
		read_reply(a);
	}
	read_reply((struct str){bytes, len});
	hap_reply_fini(&whole);
	hap_reply_fini(&split);
	return 0;
}
