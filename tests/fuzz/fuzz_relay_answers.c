/* SPDX-License-Identifier: MIT */
/* What taupectl reads of the API of a relay that stands alone: answers of any bytes, or with a head
 * that is right before them. */
#include "admin/admin.h"
#include "base/utc_day.h"

#include "serve.h"

#define HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
ask(struct admin *admin)
{
	const struct store *store = admin->store;
	struct event_page page = {.events = json_array()};
	json_t *list = json_array(), *status = NULL;

	(void)store->relays(admin, list);
	(void)store->routes(admin, list);
	(void)store->gone(admin, list);
	(void)store->usage(admin, NULL, 20261126, 20261127, list);
	(void)store->relay_drain(admin, "r1", true);
	(void)store->status(admin, &status);
	if (store->events(admin, "0", 0, &page) == ADMIN_OK)
		REQUIRE(event_place_valid(page.end));
	json_decref(status);
	json_decref(page.events);
	json_decref(list);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct redis_options registry = {.redis_timeout_ms = 10000};
	static char where[32];
	static struct serve serve;
	struct admin admin = {0};

	if (serve.fd == 0)
		serve_tcp(&serve);
	snprintf(where, sizeof(where), "127.0.0.1:%u", (unsigned)serve.port);
	if (len > 0 && data[0] % 2 != 0)
		serve_say(&serve, "", data + 1, len - 1);
	else
		serve_say(
		    &serve, HEAD, data + (len > 0), len - (len > 0));
	admin_init(&admin, &registry, "fuzz");
	admin.relay = where;
	admin.who = admin.from = "fuzz";
	ask(&admin);
	admin_fini(&admin);
	return 0;
}
