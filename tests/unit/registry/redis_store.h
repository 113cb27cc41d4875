/* SPDX-License-Identifier: MIT */
/* What a suite_store on a real Redis is made of. */
#ifndef TAUPE_TESTS_RELAY_REDIS_STORE_H
#define TAUPE_TESTS_RELAY_REDIS_STORE_H

#include "redis_server.h"
#include "registry_suite.h"

/* A registry of the scene's loop at the server. */
struct registry *redis_store_open(
    const char *relay_id, registry_event_cb cb, void *ctx);
/* For programs whose claims bring their devices along, or that have none. */
void redis_store_put_nothing(const struct device_record *record);

#endif
