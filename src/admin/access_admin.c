/* SPDX-License-Identifier: MIT */
#include "admin/access_admin.h"

#include <stdio.h>
#include <string.h>

#include "admin/admin_internal.h"
#include "net/crypto.h"
#include "net/loop.h"

/* What an operator says. */

static int
parse_nets(struct admin *admin, struct str list, struct access_rule *rule)
{
	char error[ACCESS_ERROR_MAX];
	struct str item;

	do {
		str_split(list, ',', &item, &list);
		if (rule->n_nets == ACCESS_NETS_MAX)
			return admin_fail(admin, ADMIN_INVALID,
			    "%s: a list has %d networks at most", rule->service,
			    ACCESS_NETS_MAX);
		if (access_net_parse(
			item, &rule->nets[rule->n_nets++], error) != 0)
			return admin_fail(admin, ADMIN_INVALID, "%s: %s",
			    rule->service, error);
	} while (list.ptr != NULL);
	return ADMIN_OK;
}

int
admin_access_parse(
    struct admin *admin, const char *text, struct access_wish *wish)
{
	struct str service, mode, nets;

	*wish = (struct access_wish){0};
	if (!str_split(str_of(text), '=', &service, &mode) ||
	    !service_name_valid(service) ||
	    !str_copy(service, wish->rule.service,
		sizeof(wish->rule.service)))
		return admin_fail(admin, ADMIN_INVALID,
		    "%s does not begin with a service's name and =, such as "
		    "web=password",
		    text);
	if (!str_split(mode, ':', &mode, &nets))
		nets.ptr = NULL;
	if (!access_mode_parse(mode, &wish->rule.mode))
		return admin_fail(admin, ADMIN_INVALID,
		    "%s: \"%.*s\" is no way to come in: public, password, "
		    "private, or allow: and networks, such as "
		    "allow:192.0.2.0/24,2001:db8::/32",
		    wish->rule.service, STR_ARG(mode));
	if (wish->rule.mode == ACCESS_ALLOW)
		return parse_nets(admin, nets, &wish->rule);
	if (nets.ptr != NULL)
		return admin_fail(admin, ADMIN_INVALID,
		    "%s: nothing stands behind %s", wish->rule.service,
		    access_mode_name(wish->rule.mode));
	return ADMIN_OK;
}

/* Rules. */

bool
admin_password_valid(struct str password)
{
	return password.len >= ACCESS_PASSWORD_MIN &&
	    password.len <= ACCESS_PASSWORD_MAX && str_only(password, " ~");
}

struct wishes {
	const struct access_wish *list;
	size_t n;
	uint64_t now_ms;
};

static void
hash_password(struct access_rule *rule, const char *password)
{
	char text[ACCESS_USER_MAX + 300];
	int len = snprintf(
	    text, sizeof(text), "%s:%s", rule->user, password);

	crypto_random(rule->salt, sizeof(rule->salt));
	crypto_hmac_sha256(rule->salt, sizeof(rule->salt), text, (size_t)len,
	    rule->hash);
	crypto_wipe(text, sizeof(text));
}

static int
set_rule(struct admin *admin, struct access **access,
    const struct access_wish *wish)
{
	const struct access_rule *before =
	    access_rule_of(*access, str_of(wish->rule.service));
	struct access_rule rule = wish->rule;
	int result;

	if (before != NULL)
		memcpy(rule.key, before->key, sizeof(rule.key));
	else
		crypto_random(rule.key, sizeof(rule.key));
	if (rule.mode == ACCESS_PASSWORD)
		hash_password(&rule, wish->password);
	result = access_put_rule(access, &rule);
	crypto_wipe(&rule, sizeof(rule));
	return result == 0
	    ? ADMIN_OK
	    : admin_fail(admin, ADMIN_INVALID,
		  "%s: a device has %d services at most, and there are rules "
		  "for as many others",
		  wish->rule.service, SERVICES_MAX);
}

static int
set_rules_cb(struct admin *admin, struct access **access, void *ctx)
{
	const struct wishes *wishes = ctx;
	int code = ADMIN_OK;

	for (size_t i = 0; code == ADMIN_OK && i < wishes->n; i++)
		code = set_rule(admin, access, &wishes->list[i]);
	if (code == ADMIN_OK &&
	    access_forget_expired(access, wishes->now_ms) != 0)
		code = admin_fail_memory(admin);
	return code;
}

int
admin_access_set(struct admin *admin, const char *name,
    const struct access_wish *list, size_t n)
{
	struct wishes wishes = {list, n, loop_wall_ms()};

	return admin->store->device_change_access(
	    admin, name, set_rules_cb, &wishes);
}

/* Shares. */

bool
admin_share_note_valid(struct str note)
{
	return note.len <= SHARE_NOTE_MAX && str_only(note, " ~");
}

bool
admin_share_base_valid(const char *base)
{
	return (strncmp(base, "https://", 8) == 0 ||
		   strncmp(base, "http://", 7) == 0) &&
	    str_only(str_of(base), "!~") && strpbrk(base, "?#\"<>") == NULL;
}

struct sharing {
	struct access_share *share;
	uint8_t key[ACCESS_KEY_LEN];
	const char *name;
	uint64_t now_ms;
};

static int
add_share_cb(struct admin *admin, struct access **access, void *ctx)
{
	struct sharing *sharing = ctx;
	const char *service = sharing->share->service;
	const struct access_rule *rule =
	    access_rule_of(*access, str_of(service));

	if (rule == NULL)
		return admin_fail(admin, ADMIN_INVALID,
		    "%s has no rule for a service %s: if there is such a "
		    "service it is public, and anybody may visit it without a "
		    "link; taupectl device set %s --access %s=private makes it "
		    "private",
		    sharing->name, service, sharing->name, service);
	memcpy(sharing->key, rule->key, sizeof(sharing->key));
	if (access_forget_expired(access, sharing->now_ms) != 0)
		return admin_fail_memory(admin);
	if (*access != NULL && (*access)->n_shares >= SHARES_MAX)
		return admin_fail(admin, ADMIN_INVALID,
		    "%s has %d share links, and no more are kept of a device: "
		    "they go when their time is over, or when their service "
		    "becomes public",
		    sharing->name, SHARES_MAX);
	return access_put_share(access, sharing->share) == 0
	    ? ADMIN_OK
	    : admin_fail_memory(admin);
}

static void
draw_id(char id[SHARE_ID_LEN + 1])
{
	uint8_t random[SHARE_ID_LEN / 2];
	struct writer w;

	crypto_random(random, sizeof(random));
	writer_init(&w, id, SHARE_ID_LEN);
	writer_hex(&w, random, sizeof(random));
	id[SHARE_ID_LEN] = '\0';
}

static int
write_url(struct sharing *sharing, const char *base, char url[SHARE_URL_MAX])
{
	struct share_token token = {
	    SHARE_LINK, sharing->share->expires_ms / 1000, "", ""};
	char text[SHARE_TOKEN_MAX];
	size_t len = strlen(base);

	while (len > 0 && base[len - 1] == '/')
		len--;
	memcpy(token.id, sharing->share->id, sizeof(token.id));
	snprintf(token.subject, sizeof(token.subject), "%s/%s", sharing->name,
	    sharing->share->service);
	share_token_make(sharing->key, &token, text);
	return snprintf(url, SHARE_URL_MAX, "%.*s/.taupe/share/%s", (int)len,
		   base, text) < SHARE_URL_MAX
	    ? 0
	    : -1;
}

/* The key first: the host is found by it. Nothing was given away if the link cannot be told. */
static int
find_base(struct admin *admin, const char *name, const char *service,
    char url[SHARE_URL_MAX])
{
	struct access *access = NULL;
	const struct access_rule *rule;
	int code = admin->store->device_access(admin, name, &access);

	if (code != ADMIN_OK)
		return code;
	rule = access_rule_of(access, str_of(service));
	if (rule != NULL) /* else that is what is told, below */
		code = admin->store->service_url(
		    admin, name, rule, url, SHARE_URL_MAX);
	access_drop(&access);
	return code;
}

/* Of service_url. */
static bool
no_http_service(int code)
{
	return code == ADMIN_INVALID || code == ADMIN_NOT_GIVEN;
}

int
admin_share_make(struct admin *admin, const char *name,
    struct access_share *share, const char *base, const char *relay,
    char url[SHARE_URL_MAX])
{
	struct sharing sharing = {
	    .share = share, .name = name, .now_ms = loop_wall_ms()};
	char found[SHARE_URL_MAX] = "";
	int code = ADMIN_OK;

	draw_id(share->id);
	share->created_ms = sharing.now_ms;
	share->revoked = false;
	if (base == NULL) {
		code = find_base(admin, name, share->service, found);
		base = found;
		if (relay != NULL && no_http_service(code)) {
			code = ADMIN_OK;
			base = relay;
		}
	}
	if (code == ADMIN_OK)
		code = admin->store->device_change_access(
		    admin, name, add_share_cb, &sharing);
	if (code == ADMIN_OK && write_url(&sharing, base, url) != 0)
		code = admin_fail(
		    admin, ADMIN_INVALID, "the URL is too long: %s", base);
	crypto_wipe(sharing.key, sizeof(sharing.key));
	return code;
}

int
admin_share_pass(struct admin *admin, const char *name, const char *service,
    uint64_t for_ms, char token[SHARE_TOKEN_MAX])
{
	struct share_token pass = {
	    .use = SHARE_LINK, .expires_s = (loop_wall_ms() + for_ms) / 1000};
	struct access *access = NULL;
	const struct access_rule *rule;
	int code = admin->store->device_access(admin, name, &access);

	token[0] = '\0';
	if (code != ADMIN_OK)
		return code;
	rule = access_rule_of(access, str_of(service));
	if (rule != NULL) {
		draw_id(pass.id);
		snprintf(pass.subject, sizeof(pass.subject), "%s/%s", name,
		    service);
		share_token_make(rule->key, &pass, token);
	}
	access_drop(&access);
	return ADMIN_OK;
}

static int
revoke_cb(struct admin *admin, struct access **access, void *ctx)
{
	const struct access_share *found = access_share_of(*access, str_of(ctx));
	struct access_share share;

	if (found == NULL)
		return admin_fail(admin, ADMIN_UNKNOWN,
		    "there is no share link %s: it may be over, and is gone "
		    "then",
		    (const char *)ctx);
	share = *found;
	share.revoked = true;
	return access_put_share(access, &share) == 0
	    ? ADMIN_OK
	    : admin_fail_memory(admin);
}

struct renewal {
	const char *name, *service;
};

static int
renew_cb(struct admin *admin, struct access **access, void *ctx)
{
	const struct renewal *renewal = ctx;
	const struct access_rule *found =
	    access_rule_of(*access, str_of(renewal->service));
	struct access_rule rule, none = {.mode = ACCESS_PUBLIC};
	int result;

	if (found == NULL)
		return admin_fail(admin, ADMIN_UNKNOWN,
		    "%s has no rule for a service %s, and so no share links "
		    "to it",
		    renewal->name, renewal->service);
	rule = *found;
	crypto_random(rule.key, sizeof(rule.key));
	memcpy(none.service, rule.service, sizeof(none.service));
	/* its shares go with the rule; nobody sees it without one */
	result = access_put_rule(access, &none) == 0 &&
		access_put_rule(access, &rule) == 0
	    ? ADMIN_OK
	    : admin_fail_memory(admin);
	crypto_wipe(&rule, sizeof(rule));
	return result;
}

int
admin_share_revoke_all(
    struct admin *admin, const char *name, const char *service)
{
	struct renewal renewal = {name, service};

	return admin->store->device_change_access(
	    admin, name, renew_cb, &renewal);
}

int
admin_share_end(struct admin *admin, const char *name, const char *id)
{
	char copy[SHARE_ID_LEN + 1];

	if (!share_id_valid(str_of(id)) ||
	    !str_copy(str_of(id), copy, sizeof(copy)))
		return admin_fail(admin, ADMIN_INVALID,
		    "%s is no id of a share link: %d digits from 0 to f, as "
		    "taupectl share ls shows them",
		    id, SHARE_ID_LEN);
	return admin->store->device_change_access(admin, name, revoke_cb, copy);
}

static const char *
find_holder(const json_t *devices, const char *id)
{
	const json_t *device, *share;
	size_t i, k;

	json_array_foreach (devices, i, device)
		json_array_foreach (json_object_get(device, "shares"), k, share)
			if (strcmp(json_string_value(
				       json_object_get(share, "id")),
				id) == 0)
				return json_string_value(
				    json_object_get(device, "name"));
	return NULL;
}

int
admin_share_revoke(
    struct admin *admin, const char *id, char name[DEVICE_NAME_MAX + 1])
{
	json_t *devices = json_array();
	const char *holder;
	int code = admin->store->devices(admin, devices);

	name[0] = '\0';
	if (code == ADMIN_OK && (holder = find_holder(devices, id)) == NULL)
		code = admin_fail(admin, ADMIN_UNKNOWN,
		    "there is no share link %s: it may be over, and is gone "
		    "then; taupectl share ls lists those that there are",
		    id);
	else if (code == ADMIN_OK)
		(void)str_copy(str_of(holder), name, DEVICE_NAME_MAX + 1);
	json_decref(devices);
	return code == ADMIN_OK ? admin_share_end(admin, name, id) : code;
}

/* JSON. */

static json_t *
rule_json(const struct access_rule *rule)
{
	json_t *json =
	    json_pack("{s:s}", "mode", access_mode_name(rule->mode));
	json_t *nets = json_array();

	if (rule->mode == ACCESS_PASSWORD)
		json_object_set_new(json, "user", json_string(rule->user));
	for (size_t i = 0; i < rule->n_nets; i++) {
		char text[64];
		struct writer w;

		writer_init(&w, text, sizeof(text));
		access_net_write(&w, &rule->nets[i]);
		json_array_append_new(nets, json_stringn(text, writer_len(&w)));
	}
	if (rule->mode == ACCESS_ALLOW)
		json_object_set(json, "nets", nets);
	json_decref(nets);
	return json;
}

json_t *
admin_access_json(const struct access *access)
{
	json_t *json = json_object();

	for (size_t i = 0; access != NULL && i < access->n_rules; i++)
		json_object_set_new(json, access->rules[i].service,
		    rule_json(&access->rules[i]));
	return json;
}

json_t *
admin_share_json(const struct access_share *share)
{
	return json_pack("{s:s, s:s, s:I, s:I, s:s, s:s, s:b}", "id", share->id,
	    "service", share->service, "created_ms",
	    (json_int_t)share->created_ms, "expires_ms",
	    (json_int_t)share->expires_ms, "by", share->by, "note", share->note,
	    "revoked", share->revoked);
}

json_t *
admin_shares_json(const struct access *access)
{
	json_t *json = json_array();

	for (size_t i = 0; access != NULL && i < access->n_shares; i++)
		json_array_append_new(
		    json, admin_share_json(&access->shares[i]));
	return json;
}
