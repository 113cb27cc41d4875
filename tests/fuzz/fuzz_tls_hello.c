/* SPDX-License-Identifier: MIT */
/*
 * ClientHellos: the name lies inside the input, and a shorter input says the same or
 * wants more. Each is copied to memory of its own, so that a sanitizer sees a read
 * behind it.
 */
#include "wire/tls_hello.h"

#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static enum wire_result
find(const uint8_t *data, size_t len, size_t *name_at, size_t *name_len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);
	enum wire_result result;
	struct str name;

	REQUIRE(copy != NULL);
	if (len > 0)
		memcpy(copy, data, len);
	result = tls_hello_server_name(copy, len, &name);
	*name_at = *name_len = 0;
	if (name.ptr != NULL) {
		*name_at = (size_t)(name.ptr - (const char *)copy);
		*name_len = name.len;
		REQUIRE(result == WIRE_DONE && name.len > 0);
		REQUIRE(*name_at <= len && name.len <= len - *name_at);
	}
	free(copy);
	return result;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t at, name_len, cut_at, cut_name_len, step = len / 64 + 1;
	enum wire_result whole = find(data, len, &at, &name_len);

	REQUIRE(whole != WIRE_MORE || len < TLS_HELLO_MAX);
	for (size_t cut = 0; cut < len; cut += step) {
		enum wire_result result =
		    find(data, cut, &cut_at, &cut_name_len);

		if (result == WIRE_MORE)
			continue;
		REQUIRE(result == whole && cut_at == at &&
		    cut_name_len == name_len);
	}
	return 0;
}
