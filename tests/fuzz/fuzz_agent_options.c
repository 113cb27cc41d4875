/* SPDX-License-Identifier: MIT */
/* taupe-agent's configuration file: what the table takes, the agent can use. */
#include "agent/settings.h"

#include "net/tls_pin.h"
#include "read_table.h"
#include "wire/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_services(const struct option_list *list)
{
	enum taupe_service_kind kind;
	struct target target;

	for (size_t i = 0; i < list->count; i++) {
		REQUIRE(target_parse(str_of(list->items[i]), &target, &kind));
		REQUIRE(target.port > 0 && target.host[0] != '\0');
		REQUIRE(service_name_valid(str_of(target.name)));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct agent_options options = {0};
	struct tls_pin pin;

	if (read_table(&agent_option_table, &options, data, len)) {
		check_services(&options.service);
		for (size_t i = 0; i < options.relay.count; i++)
			REQUIRE(
			    url_relay_valid(str_of(options.relay.items[i])));
		for (size_t i = 0; i < options.pin.count; i++)
			REQUIRE(tls_pin_parse(options.pin.items[i], &pin));
	}
	options_free(&agent_option_table, &options);
	return 0;
}
