/* SPDX-License-Identifier: MIT */
/* PROXY protocol headers: what is taken is written and read again as the same; a shorter input wants
 * more, or is bad for the same reason. */
#include "wire/proxy_header.h"

#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct proxy_header header, again;
	uint8_t out[PROXY_HEADER_WRITTEN_MAX];
	size_t consumed = 0, written;
	enum wire_result whole =
	    proxy_header_parse(data, len, &header, &consumed);

	REQUIRE(whole != WIRE_MORE || len < PROXY_HEADER_MAX);
	for (size_t cut = 0; cut < len && cut < PROXY_HEADER_MAX; cut++) {
		size_t cut_consumed = 0;
		enum wire_result part =
		    proxy_header_parse(data, cut, &again, &cut_consumed);

		REQUIRE(part == WIRE_MORE || part == whole);
		REQUIRE(part != WIRE_DONE || cut >= consumed);
		REQUIRE(part != WIRE_BAD || again.error == header.error);
	}
	REQUIRE(whole != WIRE_BAD || header.error != NULL);
	if (whole != WIRE_DONE)
		return 0;
	REQUIRE(consumed >= 16 && consumed <= len && consumed <= PROXY_HEADER_MAX);
	written = proxy_header_write(&header, out);
	REQUIRE(proxy_header_parse(out, written, &again, &consumed) == WIRE_DONE);
	REQUIRE(consumed == written && again.family == header.family);
	REQUIRE(memcmp(&again.from, &header.from, sizeof(again.from)) == 0);
	REQUIRE(memcmp(&again.to, &header.to, sizeof(again.to)) == 0);
	return 0;
}
