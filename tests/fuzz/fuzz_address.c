/* SPDX-License-Identifier: MIT */
/* Socket addresses: what is taken can be said, and read again as the same. */
#include "net/address.h"

#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check(const struct address *address)
{
	char text[ADDRESS_TEXT_MAX], ip[ADDRESS_TEXT_MAX];
	struct address again;

	REQUIRE(address->len > 0);
	REQUIRE(address_parse(str_of(address_text(address, text)), &again));
	REQUIRE(again.len == address->len &&
	    memcmp(&again.sa, &address->sa, again.len) == 0);
	REQUIRE(address_parse_ip(str_of(address_ip_text(address, ip)),
	    address_port(address), &again));
	REQUIRE(again.len == address->len &&
	    memcmp(&again.sa, &address->sa, again.len) == 0);
	REQUIRE(!address_is_loopback(address) || !address_is_wildcard(address));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct str text = {(const char *)data, len};
	struct address address;

	if (address_parse(text, &address))
		check(&address);
	else
		REQUIRE(address.len == 0);
	if (address_parse_ip(text, 443, &address))
		check(&address);
	else
		REQUIRE(address.len == 0);
	return 0;
}
