/* SPDX-License-Identifier: MIT */
/* taupe-router's configuration file: what the table takes, the router can use. */
#include "router/router_options.h"

#include "net/address.h"
#include "net/redis_endpoint.h"
#include "read_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct router_options options = {0};
	struct redis_endpoint endpoint;
	struct address address;

	if (read_table(&router_option_table, &options, data, len)) {
		if (options.registry.redis != NULL)
			REQUIRE(redis_endpoint_parse(
			    options.registry.redis, &endpoint));
		for (size_t i = 0; i < options.registry.redis_sentinel.count;
		     i++)
			REQUIRE(redis_endpoint_parse(
			    options.registry.redis_sentinel.items[i],
			    &endpoint));
		if (options.admin_listen != NULL)
			REQUIRE(address_parse(
			    str_of(options.admin_listen), &address));
		for (size_t i = 0; i < options.haproxy.count; i++)
			REQUIRE(options.haproxy.items[i][0] != '\0');
	}
	options_free(&router_option_table, &options);
	return 0;
}
