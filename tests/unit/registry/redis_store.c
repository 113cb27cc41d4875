/* SPDX-License-Identifier: MIT */
#include "redis_store.h"

struct registry *
redis_store_open(const char *relay_id, registry_event_cb cb, void *ctx)
{
	scene.settings.relay_id = relay_id;
	return registry_redis_new(
	    scene.loop, &scene.settings, redis_server_config(), cb, ctx);
}

void
redis_store_put_nothing(const struct device_record *record)
{
	(void)record;
}
