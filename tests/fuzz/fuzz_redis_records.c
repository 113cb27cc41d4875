/* SPDX-License-Identifier: MIT */
/*
 * What the relay reads out of Redis: a reply of any bytes, in RESP as it comes over the
 * network, through each reader of records. What one takes keeps its promises.
 */
#include "registry/registry_redis_records.h"

#include "resp.h"
#include "wire/host_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_session(const redisReply *reply)
{
	struct session_info session;
	bool exists;

	if (!redis_session_read(reply, &session, &exists) || !exists)
		return;
	REQUIRE(session.epoch > 0);
	REQUIRE(strnlen(session.relay, sizeof(session.relay)) > 0);
	REQUIRE(memchr(session.relay, 0, sizeof(session.relay)) != NULL);
	REQUIRE(memchr(session.instance, 0, sizeof(session.instance)) != NULL);
	REQUIRE(memchr(session.from, 0, sizeof(session.from)) != NULL);
}

static void
check_lease(const redisReply *reply)
{
	struct redis_lease lease;

	if (!redis_lease_read(reply, &lease) || !lease.exists)
		return;
	REQUIRE(label_valid(str_of(lease.lease.label)));
	REQUIRE(lease.lease.n_ports <= SERVICES_MAX);
	for (size_t i = 0; i < lease.lease.n_ports; i++) {
		const struct service_port *port = &lease.lease.ports[i];

		REQUIRE(port->port != 0);
		REQUIRE(service_name_valid(str_of(port->service)));
	}
}

static void
check_device(const redisReply *reply)
{
	struct device_record record;
	bool exists;

	if (!redis_device_read(reply, "alice", &record, &exists) || !exists)
		return;
	REQUIRE(strcmp(record.name, "alice") == 0);
	REQUIRE(record.n_ports <= SERVICES_MAX);
	REQUIRE(record.label[0] == '\0' || label_valid(str_of(record.label)));
	device_record_drop(&record);
}

static void
check_reply(void *ctx, const redisReply *reply)
{
	static const struct route routes[] = {
	    {.value = "127.0.0.1,80"},
	    {.value = "127.0.0.1,80", .access = "private,AAAA"},
	};

	(void)ctx;
	check_session(reply);
	check_lease(reply);
	check_device(reply);
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (redis_route_is(reply, &routes[i]))
			REQUIRE(reply->len >
			    strlen(routes[i].value) + strlen(routes[i].access));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	resp_read(data, len, check_reply, NULL);
	return 0;
}
