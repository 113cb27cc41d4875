/* SPDX-License-Identifier: MIT */
/* URLs: the parts lie inside the text, in order, and put together make it again. */
#include "wire/url.h"

#include "require.h"
#include "wire/cursor.h"
#include "wire/host_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Take the part off the front of *left. */
static void
take(struct str *left, struct str part)
{
	REQUIRE(left->len >= part.len);
	REQUIRE(str_equal((struct str){left->ptr, part.len}, part));
	left->ptr += part.len;
	left->len -= part.len;
}

static void
take_port(struct str *left, const struct url *url)
{
	size_t n = 1;
	uint64_t port;

	take(left, STR(":"));
	while (n < left->len && left->ptr[n] >= '0' && left->ptr[n] <= '9')
		n++;
	REQUIRE(left->len >= n &&
	    str_to_number((struct str){left->ptr, n}, 65535, &port));
	REQUIRE(port == url->port);
	take(left, (struct str){left->ptr, n});
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str text = {(const char *)data, len}, left = text;
	struct url url;

	if (!url_parse(text, &url)) {
		REQUIRE(!url_relay_valid(text));
		return 0;
	}
	REQUIRE(url.port > 0 && url.host.len > 0);
	take(&left, url.scheme);
	take(&left, STR("://"));
	if (left.ptr[0] == '[')
		take(&left, STR("["));
	REQUIRE(left.ptr == url.host.ptr);
	take(&left, url.host);
	if (left.len > 0 && left.ptr[0] == ']')
		take(&left, STR("]"));
	if (url.explicit_port)
		take_port(&left, &url);
	take(&left, url.path);
	if (url.query.ptr != NULL)
		take(&left, STR("?"));
	take(&left, url.query);
	REQUIRE(left.len == 0);
	return 0;
}
