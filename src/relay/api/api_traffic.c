/* SPDX-License-Identifier: MIT */
/* A device's last hour: from Redis, in the worker, or from this relay's memory, in the loop. */
#include "config.h"

#include "admin/record_json.h"
#include "relay/api/api_call.h"

void
api_ask_traffic(struct api_call *call, struct admin *admin)
{
	struct traffic_minute minutes[TRAFFIC_MINUTES];
	struct access *access = NULL;
	uint64_t now_ms = loop_wall_ms();

	/* is there such a device? */
	if (api_is_open(admin) ||
	    !api_went_well(call, admin,
		admin->store->device_access(admin, call->name, &access)))
		return;
	access_drop(&access);
	if (redis_options_given(admin->registry) &&
	    api_went_well(call, admin,
		admin->store->traffic(
		    admin, call->name, now_ms / TRAFFIC_MINUTE_MS, minutes)))
		api_answer(call, 200, admin_traffic_json(now_ms, minutes));
}

void
api_finish_traffic(struct api_call *call, struct relay *relay)
{
	const struct registry *registry = relay->registry;
	struct traffic_minute minutes[TRAFFIC_MINUTES];
	uint64_t now_ms = loop_wall_ms();

	if (registry->ops->traffic == NULL ||
	    (api_is_open(&call->api->admin) &&
		!api_answer_here(call, relay)))
		return;
	registry->ops->traffic(
	    registry, call->name, now_ms / TRAFFIC_MINUTE_MS, minutes);
	api_answer(call, 200, admin_traffic_json(now_ms, minutes));
}
