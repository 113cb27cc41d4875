/* SPDX-License-Identifier: MIT */
/* A device's last hour: from Redis, in the worker, or from this relay's memory, in the loop. */
#include "config.h"

#include "relay/api/api_call.h"

static void
answer_minutes(struct api_call *call, uint64_t now_ms,
    const struct traffic_minute minutes[TRAFFIC_MINUTES])
{
	uint64_t begin_ms = (now_ms / TRAFFIC_MINUTE_MS - TRAFFIC_MINUTES + 1) *
	    TRAFFIC_MINUTE_MS;
	json_t *points = json_array();

	for (int i = 0; i < TRAFFIC_MINUTES; i++, begin_ms += TRAFFIC_MINUTE_MS)
		json_array_append_new(points,
		    json_pack("[I,I,I]", (json_int_t)begin_ms,
			(json_int_t)minutes[i].bytes_in,
			(json_int_t)minutes[i].bytes_out));
	api_answer(call, 200,
	    json_pack("{s:i, s:I, s:o}", "every_ms", TRAFFIC_MINUTE_MS,
		"now_ms", (json_int_t)now_ms, "points", points));
}

void
api_ask_traffic(struct api_call *call, struct admin *admin)
{
	struct traffic_minute minutes[TRAFFIC_MINUTES];
	struct access *access = NULL;
	uint64_t now_ms = loop_wall_ms();

	/* is there such a device? */
	if (!api_went_well(call, admin,
		admin->store->device_access(admin, call->name, &access)))
		return;
	access_drop(&access);
	if (admin->store->traffic != NULL &&
	    api_went_well(call, admin,
		admin->store->traffic(
		    admin, call->name, now_ms / TRAFFIC_MINUTE_MS, minutes)))
		answer_minutes(call, now_ms, minutes);
}

void
api_finish_traffic(struct api_call *call, struct relay *relay)
{
	const struct registry *registry = relay->registry;
	struct traffic_minute minutes[TRAFFIC_MINUTES];
	uint64_t now_ms = loop_wall_ms();

	if (registry->ops->traffic == NULL)
		return;
	registry->ops->traffic(
	    registry, call->name, now_ms / TRAFFIC_MINUTE_MS, minutes);
	answer_minutes(call, now_ms, minutes);
}
