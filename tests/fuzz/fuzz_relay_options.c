/* SPDX-License-Identifier: MIT */
/* taupe-relay's configuration file: what the table takes, the relay can use. */
#include "relay/relay_options.h"

#include "read_table.h"
#include "relay/service_ports.h"
#include "wire/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_ranges(const struct option_list *list)
{
	struct listen_range range;

	for (size_t i = 0; i < list->count; i++) {
		REQUIRE(listen_range_parse(str_of(list->items[i]), &range));
		REQUIRE(range.low > 0 && range.low <= range.high);
	}
}

static void
check_addresses(const struct option_list *list)
{
	struct address address;

	for (size_t i = 0; i < list->count; i++)
		REQUIRE(address_parse(str_of(list->items[i]), &address));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct relay_options options = {0};
	static struct port_set ports;

	if (read_table(&relay_option_table, &options, data, len)) {
		check_ranges(&options.service_listen);
		check_addresses(&options.agent_listen);
		check_addresses(&options.agent_tls_listen);
		check_addresses(&options.visitor_listen);
		if (options.public_ports != NULL)
			REQUIRE(port_set_parse(
			    &ports, str_of(options.public_ports)));
		if (options.agent_url != NULL)
			REQUIRE(url_relay_valid(str_of(options.agent_url)));
	}
	options_free(&relay_option_table, &options);
	return 0;
}
