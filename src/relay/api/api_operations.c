/* SPDX-License-Identifier: MIT */
/* What can be called: the table, and what each call asks of the registry. All of it but the table
 * runs in the worker's thread: it knows the call and the context, and no relay. */
#include "config.h"

#include <stdio.h>

#include "admin/record_json.h"
#include "net/crypto.h"
#include "relay/api/api_call.h"
#include "relay/api/live.h"
#include "relay/device.h"

/* Devices. */

static void
list_devices(struct api_call *call, struct admin *admin)
{
	json_t *list = json_array();

	if (!api_is_open(admin) &&
	    !api_went_well(call, admin,
		admin->store->device_page(admin, call->page, list))) {
		json_decref(list);
		return;
	}
	api_answer(call, 200, json_pack("{s:o}", "devices", list));
}

static void
show_device(struct api_call *call, struct admin *admin)
{
	json_t *device;

	if (!api_is_open(admin) &&
	    api_went_well(
		call, admin, admin->store->device(admin, call->name, &device)))
		api_answer(call, 200, device);
}

static void
add_record(
    struct api_call *call, struct admin *admin, struct device_record *record)
{
	char secret[SECRET_TEXT_LEN + 1];
	json_t *answer;

	if (!api_knows_holder(call, admin, record->label))
		return;
	secret_draw(secret, record->secret_sha256);
	if (api_has_changed(
		call, admin, admin->store->device_add(admin, record))) {
		answer = admin_record_json(record);
		json_object_set_new(answer, "secret", json_string(secret));
		api_answer(call, 201, answer);
	}
	crypto_wipe(secret, sizeof(secret));
}

static void
add_device(struct api_call *call, struct admin *admin)
{
	struct device_record record;

	if (api_take_device(call, &record))
		add_record(call, admin, &record);
}

/* What is reserved was checked when it was reserved, against others': it does not change. */
static bool
keeps_reservations(
    struct api_call *call, const struct device_record *record, json_t *device)
{
	json_t *wanted = admin_record_json(record);
	bool same = true;

	if (json_object_get(call->input, "label") != NULL)
		same = json_equal(json_object_get(wanted, "label"),
		    json_object_get(device, "label"));
	if (same && json_object_get(call->input, "ports") != NULL)
		same = json_equal(json_object_get(wanted, "ports"),
		    json_object_get(device, "ports"));
	json_decref(wanted);
	if (!same)
		api_fail(call, 409, "conflict",
		    "remove the device, and make it again: its agent needs the "
		    "new secret then",
		    "the reserved label and ports of %s cannot be changed",
		    call->name);
	return same;
}

static void
change_limits(struct api_call *call, struct admin *admin,
    const struct limit_change changes[DEVICE_LIMITS])
{
	if (api_has_changed(call, admin,
		admin->store->device_set_limits(admin, call->name, changes)))
		show_device(call, admin);
}

static void
replace_device(struct api_call *call, struct admin *admin,
    const struct device_record *record, json_t *device)
{
	struct limit_change changes[DEVICE_LIMITS];

	if (!keeps_reservations(call, record, device))
		return;
	for (int i = 0; i < DEVICE_LIMITS; i++)
		changes[i] = (struct limit_change){true, record->limits[i]};
	change_limits(call, admin, changes);
}

static void
put_device(struct api_call *call, struct admin *admin)
{
	struct device_record record;
	json_t *device;
	int code;

	if (!api_take_device(call, &record))
		return;
	code = admin->store->device(admin, call->name, &device);
	if (code == ADMIN_UNKNOWN) {
		call->audit = "device add";
		add_record(call, admin, &record);
	} else if (api_went_well(call, admin, code)) {
		replace_device(call, admin, &record, device);
		json_decref(device);
	}
}

static void
patch_device(struct api_call *call, struct admin *admin)
{
	struct limit_change changes[DEVICE_LIMITS];

	if (api_take_limits(call, changes))
		change_limits(call, admin, changes);
}

static void
remove_device(struct api_call *call, struct admin *admin)
{
	if (api_has_changed(
		call, admin, admin->store->device_remove(admin, call->name)))
		api_answer(call, 204, NULL);
}

static void
rotate_now(struct api_call *call, struct admin *admin)
{
	char secret[SECRET_TEXT_LEN + 1];
	uint8_t sha256[SECRET_HASH_LEN];

	secret_draw(secret, sha256);
	if (api_has_changed(call, admin,
		admin->store->device_set_secret(admin, call->name, sha256)))
		api_answer(call, 200,
		    json_pack(
			"{s:s, s:s}", "name", call->name, "secret", secret));
	crypto_wipe(secret, sizeof(secret));
}

/* Who has the new secret has the device: that is more than to have its agent draw one. */
static void
rotate_device(struct api_call *call, struct admin *admin)
{
	bool now = false;

	if (call->input != NULL && !api_take_flag(call, "now", &now))
		return;
	if (now) {
		call->audit = "device rotate now";
		if (api_has_role(call, TOKEN_ADMIN))
			rotate_now(call, admin);
	} else if (api_has_changed(call, admin,
		       admin->store->device_rotate(admin, call->name)))
		api_answer(call, 202,
		    json_pack("{s:s, s:s}", "name", call->name, "rotation",
			ROTATION_ASKED));
}

/* A relay that stands alone does it itself, in its loop. */
static void
kick_device(struct api_call *call, struct admin *admin)
{
	if (redis_options_given(admin->registry) &&
	    api_has_changed(
		call, admin, admin->store->device_kick(admin, call->name)))
		api_answer(call, 202, json_pack("{s:s}", "kicked", call->name));
}

/* Fleets. */

static void
list_fleets(struct api_call *call, struct admin *admin)
{
	json_t *list = json_array();

	if (api_went_well(call, admin, admin->store->fleets(admin, list)))
		api_answer(call, 200, json_pack("{s:O}", "fleets", list));
	json_decref(list);
}

static void
add_fleet(struct api_call *call, struct admin *admin)
{
	char secret[SECRET_TEXT_LEN + 1], key[TOKEN_TEXT_MAX + 1];
	struct fleet_record record;
	json_t *answer;

	if (!api_take_fleet(call, &record))
		return;
	secret_draw_text(secret);
	snprintf(key, sizeof(key), "%s.%s", record.name, secret);
	crypto_sha256(key, strlen(key), record.key_sha256);
	if (api_has_changed(
		call, admin, admin->store->fleet_add(admin, &record))) {
		answer = admin_fleet_json(&record);
		json_object_set_new(answer, "key", json_string(key));
		api_answer(call, 201, answer);
	}
	crypto_wipe(secret, sizeof(secret));
	crypto_wipe(key, sizeof(key));
}

static void
remove_fleet(struct api_call *call, struct admin *admin)
{
	if (api_has_changed(
		call, admin, admin->store->fleet_remove(admin, call->name)))
		api_answer(call, 204, NULL);
}

/* Tokens. */

static void
list_tokens(struct api_call *call, struct admin *admin)
{
	json_t *list = json_array();

	if (api_went_well(call, admin, admin->store->tokens(admin, list)))
		api_answer(call, 200, json_pack("{s:O}", "tokens", list));
	json_decref(list);
}

static void
add_token(struct api_call *call, struct admin *admin)
{
	char text[TOKEN_TEXT_MAX + 1];
	struct token_record wish, record;
	uint64_t for_ms;
	json_t *answer;

	if (!api_take_token(call, &wish, &for_ms))
		return;
	token_draw(&record, wish.name, wish.role, for_ms, text);
	if (api_has_changed(
		call, admin, admin->store->token_add(admin, &record))) {
		answer = admin_token_json(&record);
		json_object_set_new(answer, "token", json_string(text));
		api_answer(call, 201, answer);
	}
	crypto_wipe(text, sizeof(text));
}

static void
remove_token(struct api_call *call, struct admin *admin)
{
	if (api_has_changed(
		call, admin, admin->store->token_remove(admin, call->name)))
		api_answer(call, 204, NULL);
}

/* Relays. */

static void
drain(struct api_call *call, struct admin *admin, bool wanted)
{
	if (api_has_changed(call, admin,
		admin->store->relay_drain(admin, call->name, wanted)))
		api_answer(call, 202,
		    json_pack(
			"{s:s, s:b}", "relay", call->name, "drain", wanted));
}

static void
drain_relay(struct api_call *call, struct admin *admin)
{
	drain(call, admin, true);
}

static void
undrain_relay(struct api_call *call, struct admin *admin)
{
	drain(call, admin, false);
}

/* In the loop: what a relay knows that stands alone. */

static bool
is_alone(const struct relay *relay)
{
	return !redis_options_given(&relay->options.registry);
}

static void
finish_devices(struct api_call *call, struct relay *relay)
{
	json_t *list = json_object_get(call->output, "devices"), *device;
	struct name_page *page = call->page;
	size_t i;

	if (is_alone(relay)) {
		if (relay->options.devices_file == NULL)
			api_page_of_memory(relay, page, list);
		json_array_foreach (list, i, device)
			api_add_presence(relay, device);
	}
	json_object_set_new(call->output, "next", api_next_of(page));
}

static void
finish_device(struct api_call *call, struct relay *relay)
{
	if (!is_alone(relay)) {
		api_add_urls(relay, call->output);
		return;
	}
	if (call->status == 0 && !api_answer_here(call, relay))
		return;
	api_add_presence(relay, call->output);
	if (call->status == 200) /* else it is new */
		api_add_history(relay, call->output);
}

static void
finish_kick(struct api_call *call, struct relay *relay)
{
	if (!is_alone(relay))
		return;
	if (device_kick(relay, call->name, 0))
		api_answer(call, 202, json_pack("{s:s}", "kicked", call->name));
	else {
		call->code = ADMIN_IMPOSSIBLE;
		api_fail(call, 409, "conflict", "it has no session to be ended",
		    "the device %s is not connected here", call->name);
	}
}

/* The cluster, for the dashboard. */

static void
show_cluster(struct api_call *call, struct admin *admin)
{
	json_t *relays, *gone;
	uint64_t devices = 0;

	if (!redis_options_given(admin->registry)) {
		if (admin->devices_file == NULL ||
		    api_went_well(call, admin,
			admin->store->device_count(admin, &devices)))
			api_answer(call, 200,
			    json_pack("{s:I}", "devices", (json_int_t)devices));
		return;
	}
	relays = json_array();
	gone = json_array();
	if (api_went_well(call, admin, admin->store->relays(admin, relays)) &&
	    api_went_well(call, admin, admin->store->gone(admin, gone)) &&
	    api_went_well(
		call, admin, admin->store->device_count(admin, &devices)))
		api_answer(call, 200,
		    json_pack("{s:s, s:O, s:O, s:I}", "registry", "redis",
			"relays", relays, "gone", gone, "devices",
			(json_int_t)devices));
	json_decref(relays);
	json_decref(gone);
}

static json_t *
own_relay_json(struct relay *relay)
{
	const struct relay_info *self = &relay->self;

	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:b, s:I, s:s, "
			 "s:I, s:I, s:I}",
	    "id", self->id, "url", self->url, "address", self->address,
	    "agents", (json_int_t)relay->n_sessions, "visitors",
	    (json_int_t)relay->n_visitors, "weight", (json_int_t)self->weight,
	    "capacity", (json_int_t)self->capacity, "draining", self->draining,
	    "since_ms", (json_int_t)self->since_ms, "version", PACKAGE_VERSION,
	    "memory_bytes", (json_int_t)relay->facts.memory_bytes, "bytes_in",
	    (json_int_t)relay->counters.bytes_in, "bytes_out",
	    (json_int_t)relay->counters.bytes_out);
}

static void
finish_cluster(struct api_call *call, struct relay *relay)
{
	if (is_alone(relay)) {
		json_object_update_new(call->output,
		    json_pack("{s:s, s:[o], s:[]}", "registry", "memory",
			"relays", own_relay_json(relay), "gone"));
		if (relay->options.devices_file == NULL)
			json_object_set_new(call->output, "devices",
			    json_integer((json_int_t)relay->devices.count));
	}
	json_object_set_new(call->output, "self", json_string(relay->self.id));
}

static void
finish_samples(struct api_call *call, struct relay *relay)
{
	json_t *samples = live_samples(relay->live);

	if (samples != NULL)
		api_answer(call, 200, samples);
	else
		api_fail(call, 503, "busy", "try again", "out of memory");
}

#define READ TOKEN_READ
#define OPERATE TOKEN_OPERATE
#define ADMIN TOKEN_ADMIN

const struct api_operation api_operations[] = {
    {HTTP_GET, "devices", READ, BODY_NONE, api_take_page, NULL, list_devices,
	finish_devices},
    {HTTP_POST, "devices", ADMIN, BODY_NEEDED, NULL, "device add", add_device,
	finish_device},
    {HTTP_GET, "devices/{name}", READ, BODY_NONE, NULL, NULL, show_device,
	finish_device},
    {HTTP_PUT, "devices/{name}", ADMIN, BODY_NEEDED, NULL, "device set",
	put_device, finish_device},
    {HTTP_PATCH, "devices/{name}", ADMIN, BODY_NEEDED, NULL, "device set",
	patch_device, finish_device},
    {HTTP_DELETE, "devices/{name}", ADMIN, BODY_NONE, NULL, "device rm",
	remove_device, NULL},
    {HTTP_POST, "devices/{name}/rotate", OPERATE, BODY_OPTIONAL, NULL,
	"device rotate", rotate_device, NULL},
    {HTTP_POST, "devices/{name}/kick", OPERATE, BODY_OPTIONAL, NULL,
	"device kick", kick_device, finish_kick},
    {HTTP_GET, "devices/{name}/traffic", READ, BODY_NONE, NULL, NULL,
	api_ask_traffic, api_finish_traffic},
    {HTTP_GET, "devices/{name}/usage", READ, BODY_NONE, api_take_days, NULL,
	api_ask_usage, NULL},
    {HTTP_GET, "devices/{name}/services/{service}/access", READ, BODY_NONE,
	NULL, NULL, api_ask_rule, NULL},
    {HTTP_PUT, "devices/{name}/services/{service}/access", ADMIN, BODY_NEEDED,
	NULL, "device set", api_ask_put_rule, NULL},
    {HTTP_DELETE, "devices/{name}/services/{service}/access", ADMIN, BODY_NONE,
	NULL, "device set", api_ask_remove_rule, NULL},
    {HTTP_GET, "devices/{name}/shares", READ, BODY_NONE, NULL, NULL,
	api_ask_shares, NULL},
    {HTTP_DELETE, "devices/{name}/shares/{share}", OPERATE, BODY_NONE, NULL,
	"share revoke", api_ask_end_share, NULL},
    {HTTP_POST, "devices/{name}/services/{service}/shares", OPERATE,
	BODY_NEEDED, api_take_base, "share", api_ask_share, NULL},
    {HTTP_DELETE, "devices/{name}/services/{service}/shares", OPERATE,
	BODY_NONE, NULL, "share revoke", api_ask_end_shares, NULL},
    {HTTP_GET, "domains", READ, BODY_NONE, NULL, NULL, api_ask_domains, NULL},
    {HTTP_POST, "domains", OPERATE, BODY_NEEDED, NULL, "domain add",
	api_ask_add_domain, NULL},
    {HTTP_DELETE, "domains/{host}", OPERATE, BODY_NONE, NULL, "domain rm",
	api_ask_remove_domain, NULL},
    {HTTP_POST, "domains/{host}/verify", OPERATE, BODY_OPTIONAL, NULL,
	"domain verify", api_ask_verify_domain, NULL},
    {HTTP_GET, "fleets", READ, BODY_NONE, NULL, NULL, list_fleets, NULL},
    {HTTP_POST, "fleets", ADMIN, BODY_NEEDED, NULL, "fleet add", add_fleet,
	NULL},
    {HTTP_DELETE, "fleets/{name}", ADMIN, BODY_NONE, NULL, "fleet rm",
	remove_fleet, NULL},
    {HTTP_GET, "tokens", ADMIN, BODY_NONE, NULL, NULL, list_tokens, NULL},
    {HTTP_POST, "tokens", ADMIN, BODY_NEEDED, NULL, "token add", add_token,
	NULL},
    {HTTP_DELETE, "tokens/{name}", ADMIN, BODY_NONE, NULL, "token rm",
	remove_token, NULL},
    {HTTP_POST, "relays/{name}/drain", OPERATE, BODY_OPTIONAL, NULL,
	"relay drain", drain_relay, NULL},
    {HTTP_POST, "relays/{name}/undrain", OPERATE, BODY_OPTIONAL, NULL,
	"relay undrain", undrain_relay, NULL},
    {HTTP_GET, "cluster", READ, BODY_NONE, NULL, NULL, show_cluster,
	finish_cluster},
    {HTTP_GET, "relay/devices", READ, BODY_NONE, api_take_large_page, NULL,
	NULL, api_devices_here},
    {HTTP_GET, "routes", READ, BODY_NONE, api_take_large_page, NULL, NULL,
	api_routes_here},
    {HTTP_GET, "relay/samples", READ, BODY_NONE, NULL, NULL, NULL,
	finish_samples},
    {HTTP_GET, "live", READ, BODY_NONE, NULL, NULL, NULL, api_live},
    {HTTP_GET, "events", READ, BODY_NONE, api_take_after, NULL, api_ask_events,
	api_finish_events},
    {HTTP_GET, "whoami", READ, BODY_NONE, NULL, NULL, NULL, api_whoami},
    {HTTP_POST, "login", READ, BODY_NONE, NULL, NULL, NULL, api_login},
    {HTTP_POST, "logout", READ, BODY_NONE, NULL, NULL, NULL, api_logout},
};

const size_t api_n_operations =
    sizeof(api_operations) / sizeof(api_operations[0]);
