/* SPDX-License-Identifier: MIT */
/* What taupectl and the admin API read of Redis: the same replies of any bytes to each question. */
#include "admin/admin.h"

#include "resp.h"
#include "serve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
ask(struct admin *admin, int which)
{
	const struct store *store = admin->store;
	struct event_page page = {.events = json_array()};
	json_t *list = json_array(), *one = NULL;
	struct token_record token = {0};
	struct access *access = NULL;
	uint64_t count;

	switch (which) {
	case 0:
		(void)store->devices(admin, list);
		break;
	case 1:
		(void)store->device(admin, "alice", &one);
		break;
	case 2:
		(void)store->relays(admin, list);
		break;
	case 3:
		(void)store->routes(admin, list);
		break;
	case 4:
		(void)store->status(admin, &one);
		break;
	case 5:
		if (store->events(admin, "0", 0, &page) == ADMIN_OK)
			REQUIRE(event_place_valid(page.end));
		break;
	case 6:
		(void)store->fleets(admin, list);
		(void)store->tokens(admin, list);
		break;
	case 7:
		(void)store->token(admin, "alice", &token);
		(void)store->device_access(admin, "alice", &access);
		break;
	case 8:
		(void)store->gone(admin, list);
		(void)store->device_count(admin, &count);
		break;
	default:
		(void)store->usage(admin, "alice", 20261126, 20261127, list);
		break;
	}
	access_drop(&access);
	json_decref(one);
	json_decref(list);
	json_decref(page.events);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct redis_options registry = {.redis_timeout_ms = 10000};
	static char where[32];
	static struct serve serve;
	struct admin admin = {0};

	if (len == 0 || resp_claims_much(data + 1, len - 1))
		return 0;
	if (serve.fd == 0)
		serve_tcp(&serve);
	snprintf(where, sizeof(where), "127.0.0.1:%u", (unsigned)serve.port);
	serve_say(&serve, "", data + 1, len - 1);
	registry.redis = where;
	admin_init(&admin, &registry, "fuzz");
	admin.who = admin.from = "fuzz";
	ask(&admin, data[0] % 10);
	admin_fini(&admin);
	return 0;
}
