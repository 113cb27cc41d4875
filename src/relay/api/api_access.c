/* SPDX-License-Identifier: MIT */
/*
 * Rules of services and share links, as operators change them; what of that is the same for
 * taupectl is in admin/access_admin.c. A password comes in and never goes out; of a share link
 * the URL goes out once.
 */
#include "config.h"

#include <string.h>

#include "net/crypto.h"
#include "relay/api/api_call.h"
#include "relay/device.h"
#include "relay/service.h"

/* Rules. */

void
api_ask_rule(struct api_call *call, struct admin *admin)
{
	struct access *access = NULL;
	json_t *rules, *rule;

	if (!api_went_well(call, admin,
		admin->store->device_access(admin, call->name, &access)))
		return;
	rules = admin_access_json(access);
	rule = json_incref(json_object_get(rules, call->service));
	if (rule == NULL)
		rule =
		    json_pack("{s:s}", "mode", access_mode_name(ACCESS_PUBLIC));
	api_answer(call, 200, rule);
	json_decref(rules);
	access_drop(&access);
}

void
api_ask_put_rule(struct api_call *call, struct admin *admin)
{
	char password[ACCESS_PASSWORD_MAX + 1];
	struct access_wish wish;

	if (api_take_rule(call, &wish, password) &&
	    api_has_changed(
		call, admin, admin_access_set(admin, call->name, &wish, 1)))
		api_ask_rule(call, admin);
	crypto_wipe(password, sizeof(password));
}

void
api_ask_remove_rule(struct api_call *call, struct admin *admin)
{
	struct access_wish wish = {.rule.mode = ACCESS_PUBLIC};

	memcpy(wish.rule.service, call->service, sizeof(call->service));
	if (api_has_changed(
		call, admin, admin_access_set(admin, call->name, &wish, 1)))
		api_answer(call, 204, NULL);
}

/* Share links. */

void
api_ask_shares(struct api_call *call, struct admin *admin)
{
	struct access *access = NULL;

	if (!api_went_well(call, admin,
		admin->store->device_access(admin, call->name, &access)))
		return;
	api_answer(
	    call, 200, json_pack("{s:o}", "shares", admin_shares_json(access)));
	access_drop(&access);
}

/* A relay that stands alone knows itself where visitors find a service; else the registry is asked. */
bool
api_take_base(struct api_call *call, const struct http_request *request)
{
	struct relay *relay = call->api->relay;
	const struct device *device;
	const struct service *service;
	struct writer w;

	(void)request;
	if (redis_options_given(&relay->options.registry) ||
	    (device = device_find(relay, str_of(call->name))) == NULL)
		return true;
	LIST_FOREACH (service, &device->services, link) {
		if (service->kind != SERVICE_HTTP ||
		    strcmp(service->name, call->service) != 0)
			continue;
		writer_init(&w, call->base, sizeof(call->base) - 1);
		service_url_write(service, &w);
		call->base[writer_len(&w)] = '\0';
	}
	return true;
}

static void
answer_link(
    struct api_call *call, const struct access_share *share, const char *url)
{
	json_t *link = admin_share_json(share);

	json_object_set_new(link, "url", json_string(url));
	api_answer(call, 201, link);
}

void
api_ask_share(struct api_call *call, struct admin *admin)
{
	char base[SHARE_URL_MAX], url[SHARE_URL_MAX];
	struct access_share share;
	int code;

	if (!api_take_share(call, &share, base))
		return;
	if (base[0] == '\0')
		memcpy(base, call->base, sizeof(call->base));
	code = admin_share_make(admin, call->name, &share,
	    base[0] != '\0' ? base : NULL, NULL, url);
	if (code == ADMIN_NOT_GIVEN && admin->devices_file != NULL) {
		call->code = code;
		api_fail(call, 422, "invalid",
		    "send \"url\": \"https://HOST\"; of a tcp or tls service "
		    "a relay's, \"wss://RELAY\"",
		    "%s is not here with an http service %s, so its host name "
		    "is not known: is it connected, and does it offer that?",
		    call->name, call->service);
	} else if (api_has_changed(call, admin, code)) {
		answer_link(call, &share, url);
	}
}

void
api_ask_end_share(struct api_call *call, struct admin *admin)
{
	if (api_has_changed(
		call, admin, admin_share_end(admin, call->name, call->share)))
		api_answer(call, 204, NULL);
}

void
api_ask_end_shares(struct api_call *call, struct admin *admin)
{
	if (api_has_changed(call, admin,
		admin_share_revoke_all(admin, call->name, call->service)))
		api_answer(call, 204, NULL);
}
