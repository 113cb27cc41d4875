/* SPDX-License-Identifier: MIT */
/* Bodies and queries: what they may hold, and what is wrong with those that hold something else. */
#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/loop.h"
#include "relay/api/api_call.h"

#define PAGE_DEFAULT 100
#define SEE "docs/openapi.json has the members of each body"
#define SEE_QUERY "docs/openapi.json has what each query may hold"

static bool invalid(struct api_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool
invalid(struct api_call *call, const char *format, ...)
{
	char what[300];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	api_fail(call, 422, "invalid", SEE, "%s", what);
	return false;
}

/* keys ends with NULL. */
static bool
check_keys(struct api_call *call, const char *const *keys)
{
	const char *key;
	json_t *value;

	json_object_foreach (call->input, key, value) {
		const char *const *known = keys;

		while (*known != NULL && strcmp(*known, key) != 0)
			known++;
		if (*known == NULL)
			return invalid(
			    call, "there is no member \"%.40s\" here", key);
	}
	return true;
}

/* A text member, or null: the text stays as it is. */
static bool
take_text(struct api_call *call, const char *key, bool (*valid)(struct str),
    char *out, size_t cap, const char *allowed)
{
	const json_t *value = json_object_get(call->input, key);
	struct str text;

	if (value == NULL || json_is_null(value))
		return true;
	text =
	    (struct str){json_string_value(value), json_string_length(value)};
	if (json_is_string(value) && valid(text) && str_copy(text, out, cap))
		return true;
	return invalid(call, "\"%s\" must be %s", key, allowed);
}

static bool
take_number(struct api_call *call, const char *key, uint64_t max, uint64_t *out)
{
	const json_t *value = json_object_get(call->input, key);
	json_int_t number = json_integer_value(value);

	if (value == NULL || json_is_null(value))
		return true;
	if (!json_is_integer(value) || number < 0 || (uint64_t)number > max)
		return invalid(call,
		    "\"%s\" must be a number from 0 to %" PRIu64, key, max);
	*out = (uint64_t)number;
	return true;
}

#define NAME_SHAPE                                                             \
	"1 to 63 letters, digits, dots, hyphens and underscores, of which "    \
	"the "                                                                 \
	"first is a letter or a digit"

/* The name may be in the path already. */
static bool
take_name(struct api_call *call, char name[DEVICE_NAME_MAX + 1])
{
	if (!call->name_in_path &&
	    !take_text(call, "name", device_name_valid, call->name,
		sizeof(call->name), NAME_SHAPE))
		return false;
	if (call->name[0] == '\0')
		return invalid(call, "\"name\" is missing");
	memcpy(name, call->name, sizeof(call->name));
	return true;
}

static bool
take_port(struct api_call *call, struct device_record *record,
    const char *service, const json_t *value)
{
	json_int_t number = json_integer_value(value);
	struct service_port *port = &record->ports[record->n_ports];

	if (record->n_ports == SERVICES_MAX)
		return invalid(
		    call, "a device has %d services at most", SERVICES_MAX);
	if (!service_name_valid(str_of(service)) || !json_is_integer(value) ||
	    number < 1 || number > UINT16_MAX ||
	    !str_copy(str_of(service), port->service, sizeof(port->service)))
		return invalid(call,
		    "\"ports\" must have services' names and their ports, such "
		    "as {\"ssh\": 20022}");
	for (size_t i = 0; i < record->n_ports; i++)
		if (record->ports[i].port == number)
			return invalid(call, "two services cannot have port %d",
			    (int)number);
	port->port = (uint16_t)number;
	record->n_ports++;
	return true;
}

static bool
take_ports(struct api_call *call, struct device_record *record)
{
	json_t *ports = json_object_get(call->input, "ports"), *value;
	const char *service;

	if (ports == NULL || json_is_null(ports))
		return true;
	if (!json_is_object(ports))
		return invalid(call, "\"ports\" must be an object");
	json_object_foreach (ports, service, value)
		if (!take_port(call, record, service, value))
			return false;
	return true;
}

static bool
take_word(struct api_call *call, const struct device_limit_row *row,
    const json_t *value, struct limit_change *change)
{
	const char *word = json_string_value(value);

	change->given = true;
	change->to = (struct own_limit){.is_set = word != NULL};
	if (json_is_null(value) ||
	    (word != NULL &&
		device_limit_parse(row, str_of(word), &change->to.value)))
		return true;
	return invalid(
	    call, "\"%s\" must be null or one of %s", row->key, row->words);
}

static bool
take_limit(struct api_call *call, const char *key, const json_t *value,
    struct limit_change changes[DEVICE_LIMITS])
{
	json_int_t number = json_integer_value(value);

	for (int i = 0; i < DEVICE_LIMITS; i++) {
		const struct device_limit_row *row = &device_limit_rows[i];

		if (strcmp(row->key, key) != 0)
			continue;
		if (row->words != NULL)
			return take_word(call, row, value, &changes[i]);
		if (!json_is_null(value) &&
		    (!json_is_integer(value) || number < row->min ||
			number > row->max))
			return invalid(call,
			    "\"%s\" must be null or a number from %" PRId64
			    " to %" PRId64,
			    key, row->min, row->max);
		changes[i].given = true;
		changes[i].to.is_set = !json_is_null(value);
		changes[i].to.value = number;
		return true;
	}
	return invalid(call, "there is no limit \"%.40s\"", key);
}

static bool
take_limits(struct api_call *call, struct limit_change changes[DEVICE_LIMITS])
{
	json_t *limits = json_object_get(call->input, "limits"), *value;
	const char *key;

	memset(changes, 0, DEVICE_LIMITS * sizeof(*changes));
	if (limits == NULL || json_is_null(limits))
		return true;
	if (!json_is_object(limits))
		return invalid(call, "\"limits\" must be an object");
	json_object_foreach (limits, key, value)
		if (!take_limit(call, key, value, changes))
			return false;
	return true;
}

bool
api_take_device(struct api_call *call, struct device_record *record)
{
	static const char *const keys[] = {
	    "name", "label", "ports", "limits", NULL};
	struct limit_change changes[DEVICE_LIMITS];

	*record = (struct device_record){0};
	if (!check_keys(call, call->name_in_path ? keys + 1 : keys) ||
	    !take_name(call, record->name) ||
	    !take_text(call, "label", label_valid, record->label,
		sizeof(record->label),
		"3 to 40 of a-z, 0-9 and single hyphens, none at an end") ||
	    !take_ports(call, record) || !take_limits(call, changes))
		return false;
	device_limits_change(record->limits, changes);
	return true;
}

bool
api_take_limits(
    struct api_call *call, struct limit_change changes[DEVICE_LIMITS])
{
	static const char *const keys[] = {"limits", NULL};

	return check_keys(call, keys) && take_limits(call, changes);
}

bool
api_take_fleet(struct api_call *call, struct fleet_record *record)
{
	static const char *const keys[] = {
	    "name", "max", "for_ms", "pattern", NULL};
	uint64_t for_ms = 0;

	*record = (struct fleet_record){.created_ms = loop_wall_ms()};
	if (!check_keys(call, keys) || !take_name(call, record->name) ||
	    !take_number(call, "max", 1000000000, &record->max) ||
	    !take_number(call, "for_ms", INT64_C(315360000000), &for_ms) ||
	    !take_text(call, "pattern", fleet_pattern_valid, record->pattern,
		sizeof(record->pattern),
		"letters, digits, dots, hyphens, underscores, * and ?"))
		return false;
	if (for_ms > 0)
		record->expires_ms = record->created_ms + for_ms;
	return true;
}

static bool
any_text(struct str text)
{
	return text.len > 0;
}

bool
api_take_token(
    struct api_call *call, struct token_record *record, uint64_t *for_ms)
{
	static const char *const keys[] = {"name", "role", "for_ms", NULL};
	char role[16] = "";

	*record = (struct token_record){0};
	*for_ms = 0;
	if (!check_keys(call, keys) || !take_name(call, record->name) ||
	    !take_text(call, "role", any_text, role, sizeof(role),
		"read, operate or admin") ||
	    !take_number(call, "for_ms", INT64_C(316224000000), for_ms))
		return false;
	if ((record->role = token_role_parse(str_of(role))) == TOKEN_NONE)
		return invalid(call, "\"role\" must be read, operate or admin");
	return true;
}

bool
api_take_flag(struct api_call *call, const char *key, bool *flag)
{
	const char *keys[] = {key, NULL};
	const json_t *value = json_object_get(call->input, key);

	if (!check_keys(call, keys))
		return false;
	if (value != NULL && !json_is_boolean(value))
		return invalid(call, "\"%s\" must be true or false", key);
	*flag = json_is_true(value);
	return true;
}

/* Rules and share links. */

/* A list of networks, and nothing else. */
static bool
take_nets(struct api_call *call, struct access_rule *rule)
{
	const json_t *nets = json_object_get(call->input, "nets"), *net;
	char error[ACCESS_ERROR_MAX];
	size_t i;

	if (json_array_size(nets) == 0 ||
	    json_array_size(nets) > ACCESS_NETS_MAX)
		return invalid(call,
		    "\"nets\" must be a list of 1 to %d networks, such as "
		    "[\"192.0.2.0/24\", \"2001:db8::/32\"]",
		    ACCESS_NETS_MAX);
	json_array_foreach (nets, i, net) {
		struct str text = {
		    json_string_value(net), json_string_length(net)};

		if (text.ptr == NULL)
			return invalid(call, "\"nets\" must be texts");
		if (access_net_parse(
			text, &rule->nets[rule->n_nets++], error) != 0)
			return invalid(call, "\"nets\": %s", error);
	}
	return true;
}

static bool
take_password(struct api_call *call, struct access_wish *wish,
    char password[ACCESS_PASSWORD_MAX + 1])
{
	snprintf(wish->rule.user, sizeof(wish->rule.user), "%s",
	    ACCESS_USER_DEFAULT);
	if (!take_text(call, "user", access_user_valid, wish->rule.user,
		sizeof(wish->rule.user),
		"1 to 64 visible ASCII characters, without a colon") ||
	    !take_text(call, "password", admin_password_valid, password,
		ACCESS_PASSWORD_MAX + 1,
		"8 to 198 visible ASCII characters: only a fast hash of it is "
		"stored, so that a short one could be guessed from that"))
		return false;
	if (password[0] == '\0')
		return invalid(call, "\"password\" is missing");
	wish->password = password;
	return true;
}

/* A member of another mode would be left out without a word. */
static bool
belongs(struct api_call *call, const char *key, bool wanted, const char *mode)
{
	return wanted || json_object_get(call->input, key) == NULL ||
	    invalid(call, "\"%s\" belongs to the mode %s", key, mode);
}

bool
api_take_rule(struct api_call *call, struct access_wish *wish,
    char password[ACCESS_PASSWORD_MAX + 1])
{
	static const char *const keys[] = {
	    "mode", "user", "password", "nets", NULL};
	const char *mode =
	    json_string_value(json_object_get(call->input, "mode"));
	bool by_password, by_net;

	*wish = (struct access_wish){0};
	password[0] = '\0';
	memcpy(wish->rule.service, call->service, sizeof(call->service));
	if (!check_keys(call, keys))
		return false;
	if (mode == NULL || !access_mode_parse(str_of(mode), &wish->rule.mode))
		return invalid(call,
		    "\"mode\" must be public, password, allow or private");
	by_password = wish->rule.mode == ACCESS_PASSWORD;
	by_net = wish->rule.mode == ACCESS_ALLOW;
	return belongs(call, "user", by_password, "password") &&
	    belongs(call, "password", by_password, "password") &&
	    belongs(call, "nets", by_net, "allow") &&
	    (!by_net || take_nets(call, &wish->rule)) &&
	    (!by_password || take_password(call, wish, password));
}

/* "https://cam.example.com", or a relay's "wss://relay.example.com", which is https there. */
static bool
take_base(struct api_call *call, char base[SHARE_URL_MAX])
{
	char url[SHARE_URL_MAX / 2] = "";

	base[0] = '\0';
	if (!take_text(call, "url", any_text, url, sizeof(url),
		"of less than 512 bytes"))
		return false;
	if (url[0] == '\0')
		return true;
	if (strncmp(url, "ws", 2) == 0)
		snprintf(base, SHARE_URL_MAX, "http%s", url + 2);
	else
		snprintf(base, SHARE_URL_MAX, "%s", url);
	return admin_share_base_valid(base) ||
	    invalid(call,
		"\"url\" must be like https://cam.example.com, or of a tcp or "
		"tls service a relay's, like wss://relay.example.com");
}

/* What stands there as a text is looked at by who makes it a name, and is what the audit tells. */
static bool
any_printable(struct str text)
{
	return text.len > 0 && str_only(text, "!~");
}

bool
api_take_domain(struct api_call *call, struct host_wish *wish)
{
	static const char *const keys[] = {
	    "host", "device", "service", "vouched", NULL};
	const json_t *vouched = json_object_get(call->input, "vouched");

	if (!check_keys(call, keys) ||
	    !take_text(call, "host", any_printable, call->host,
		sizeof(call->host),
		"a host name in ASCII (its xn-- form, if it has other "
		"letters)") ||
	    !take_text(call, "device", device_name_valid, wish->device,
		sizeof(wish->device), NAME_SHAPE) ||
	    !take_text(call, "service", service_name_valid, wish->service,
		sizeof(wish->service),
		"1 to 20 of a-z, 0-9 and single hyphens"))
		return false;
	if (call->host[0] == '\0' || wish->device[0] == '\0' ||
	    wish->service[0] == '\0')
		return invalid(
		    call, "\"host\", \"device\" and \"service\" are needed");
	if (vouched != NULL && !json_is_boolean(vouched))
		return invalid(call, "\"vouched\" must be true or false");
	wish->host = call->host;
	wish->vouched = json_is_true(vouched);
	return true;
}

bool
api_take_share(
    struct api_call *call, struct access_share *share, char base[SHARE_URL_MAX])
{
	static const char *const keys[] = {"for_ms", "note", "url", NULL};
	uint64_t for_ms = 0;

	*share = (struct access_share){0};
	memcpy(share->service, call->service, sizeof(call->service));
	if (!check_keys(call, keys) ||
	    !take_number(call, "for_ms", SHARE_FOR_MAX_MS, &for_ms) ||
	    !take_text(call, "note", admin_share_note_valid, share->note,
		sizeof(share->note), "60 visible ASCII characters at most") ||
	    !take_base(call, base))
		return false;
	if (for_ms < 1000)
		return invalid(call,
		    "\"for_ms\" must say how long the link is good: a number "
		    "from 1000 to %" PRIu64,
		    SHARE_FOR_MAX_MS);
	share->expires_ms = loop_wall_ms() + for_ms;
	/* whose name is longer is known by its beginning */
	snprintf(share->by, sizeof(share->by), "%.*s", SHARE_NOTE_MAX,
	    call->bearer.name);
	return true;
}

/* Queries. */

static bool
bad_query(struct api_call *call, const char *what)
{
	api_fail(call, 400, "bad_request",
	    "such as ?limit=100&after=NAME&search=TEXT", "%s", what);
	return false;
}

static bool
take_search(struct name_page *page, struct str value)
{
	if (!str_copy(value, page->search, sizeof(page->search)))
		return false;
	for (char *c = page->search; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return true;
}

static bool
take_pair(struct api_call *call, const struct form_pair *pair)
{
	struct name_page *page = call->page;
	uint64_t limit;

	if (str_equal(pair->key, STR("limit"))) {
		if (!str_to_number(pair->value, NAME_PAGE_MAX, &limit) ||
		    limit == 0)
			return bad_query(
			    call, "limit must be a number from 1 to 500");
		page->limit = (size_t)limit;
		return true;
	}
	if (str_equal(pair->key, STR("after")))
		return (pair->value.len == 0 ||
			   (device_name_valid(pair->value) &&
			       str_copy(pair->value, page->after,
				   sizeof(page->after)))) ||
		    bad_query(call, "after must be a device's name");
	if (str_equal(pair->key, STR("search")))
		return take_search(page, pair->value) ||
		    bad_query(call, "search must be of 63 characters at most");
	return bad_query(
	    call, "there are limit, after and search, and nothing else");
}

bool
api_take_query(struct api_call *call, const struct http_request *request,
    bool (*take)(struct api_call *call, const struct form_pair *pair))
{
	const char *query = http_request_query(request);
	struct form_reader form;
	struct form_pair pair;
	enum wire_result result = WIRE_MORE;
	char copy[1024];

	if (query == NULL)
		return true;
	if (!str_copy(str_of(query), copy, sizeof(copy))) {
		api_fail(call, 400, "bad_request", SEE_QUERY,
		    "the query is too long");
		return false;
	}
	form_reader_init(&form, copy, strlen(copy));
	while ((result = form_next(&form, &pair)) == WIRE_DONE)
		if (!take(call, &pair))
			return false;
	if (result == WIRE_BAD)
		api_fail(call, 400, "bad_request", SEE_QUERY,
		    "the query is no list of KEY=VALUE");
	return result != WIRE_BAD;
}

static bool
take_page(struct api_call *call, const struct http_request *request, size_t limit)
{
	if ((call->page = calloc(1, sizeof(*call->page))) == NULL) {
		api_fail(call, 503, "busy", "try again", "out of memory");
		return false;
	}
	call->page->limit = limit;
	return api_take_query(call, request, take_pair);
}

bool
api_take_page(struct api_call *call, const struct http_request *request)
{
	return take_page(call, request, PAGE_DEFAULT);
}

bool
api_take_large_page(struct api_call *call, const struct http_request *request)
{
	return take_page(call, request, NAME_PAGE_MAX);
}
