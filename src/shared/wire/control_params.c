/* SPDX-License-Identifier: MIT */
/*
 * The parameters of the two handshakes, by table. What stands in a query comes from
 * whoever can reach the relay: every value is bounded and of a known shape here.
 */
#include "wire/control_msg.h"
#include "wire/form_table.h"

#define HOPS_MAX 100
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool
lower_hex(struct str value, size_t len)
{
	return value.len == len && str_only(value, "09af");
}

bool
control_id_valid(struct str value)
{
	return lower_hex(value, TRANSFER_ID_LEN);
}

bool
control_sha256_valid(struct str value)
{
	return lower_hex(value, SHA256_HEX_LEN);
}

bool
control_lease_valid(struct str value)
{
	return form_visible(value, LEASE_TOKEN_MAX);
}

static bool
check_instance(struct str value)
{
	return form_visible(value, INSTANCE_MAX);
}

static const char *const kind_names[] = {
    [SERVICE_HTTP] = "http",
    [SERVICE_TLS] = "tls",
    [SERVICE_TCP] = "tcp",
};

const char *
service_kind_name(enum service_kind kind)
{
	return kind_names[kind];
}

bool
service_kind_find(struct str name, enum service_kind *kind)
{
	for (size_t i = 0; i < COUNT(kind_names); i++) {
		if (str_equal(name, str_of(kind_names[i]))) {
			*kind = (enum service_kind)i;
			return true;
		}
	}
	return false;
}

static bool
take_service(const struct form_key *key, void *object, struct str value)
{
	struct control_params *params = object;
	struct control_service entry;
	struct str kind;

	(void)key;
	if (params->n_services == SERVICES_MAX ||
	    !str_split(value, ':', &entry.name, &kind) ||
	    !service_name_valid(entry.name) ||
	    !service_kind_find(kind, &entry.kind))
		return false;
	for (size_t i = 0; i < params->n_services; i++) {
		if (str_equal(params->services[i].name, entry.name))
			return false;
	}
	params->services[params->n_services++] = entry;
	return true;
}

/* The number of channels that it digs: none is all that a relay has to know about. */
static bool
take_channels(const struct form_key *key, void *object, struct str value)
{
	struct control_params *params = object;

	(void)key;
	params->no_channels = str_is(value, "0");
	return params->no_channels;
}

#ifndef TAUPE_DEVICE_ONLY
/* Only a relay reads it, and what the driver of a device adds to a request is its own affair. */
static bool
take_check(const struct form_key *key, void *object, struct str value)
{
	struct control_params *params = object;

	(void)key;
	params->check = str_is(value, "1");
	return params->check;
}

static const struct form_own check_own = {take_check, NULL};
#endif

enum params_key {
	PARAM_NAME,
	PARAM_INSTANCE,
	PARAM_SERVICE,
	PARAM_LEASE,
	PARAM_ENROL,
	PARAM_HOPS,
	PARAM_WARM,
	PARAM_MUX,
	PARAM_VISITS,
	PARAM_WINDOW,
	PARAM_CHANNELS,
#ifndef TAUPE_DEVICE_ONLY
	PARAM_CHECK
#endif
};

static const struct form_own service_own = {take_service, NULL};
static const struct form_own channels_own = {take_channels, NULL};

static const struct form_key params_keys[] = {
    [PARAM_NAME] =
	FORM_TEXT(control_params, name, device_name_valid, "not a device name"),
    [PARAM_INSTANCE] = FORM_TEXT(control_params, instance, check_instance,
	"not 1 to 64 visible characters"),
    [PARAM_SERVICE] = FORM_LIST("service", &service_own,
	"not up to 16 of <name>:<http|tls|tcp> with different names"),
    [PARAM_LEASE] = FORM_TEXT(control_params, lease, control_lease_valid,
	"not 1 to 1024 visible characters"),
    [PARAM_ENROL] = FORM_TEXT(control_params, enrol, control_sha256_valid,
	"not 64 lower-case hexadecimal digits"),
    [PARAM_HOPS] =
	FORM_NUMBER(control_params, hops, 0, HOPS_MAX, "not 0 to 100"),
    [PARAM_WARM] =
	FORM_NUMBER(control_params, warm, 0, WARM_MAX, "not 0 to 64"),
    [PARAM_MUX] = FORM_NUMBER(control_params, mux, 0, 1, "not 0 or 1"),
    [PARAM_VISITS] = FORM_NUMBER(
	control_params, visits, 1, MUX_VISITS_MAX, "not 1 to 65535"),
    [PARAM_WINDOW] = FORM_NUMBER(control_params, window, MUX_WINDOW_MIN,
	MUX_WINDOW_MAX, "not 1024 to 16777216"),
    [PARAM_CHANNELS] = {.name = "channels",
	FORM_ERROR("channels: not 0").of.own = &channels_own,
	.kind = FORM_KIND_OWN},
#ifndef TAUPE_DEVICE_ONLY
    [PARAM_CHECK] = {.name = "check",
	FORM_ERROR("check: not 1").of.own = &check_own,
	.kind = FORM_KIND_OWN},
#endif
};

struct transfer_params {
	struct str id;
};

static const struct form_key transfer_keys[] = {
    FORM_TEXT(transfer_params, id, control_id_valid,
	"not 32 lower-case hexadecimal digits"),
};

enum wire_result
control_params_decode(
    char *query, size_t len, struct control_params *params, const char **error)
{
	unsigned seen;

	memset(params, 0, sizeof(*params));
	if (form_table_decode(params_keys, COUNT(params_keys), query, len,
		params, &seen, error) != WIRE_DONE)
		return WIRE_BAD;
	if (*error != NULL)
		return WIRE_BAD;
	if (!(seen & FORM_BIT(PARAM_NAME)))
		*error = SAYS("no name");
	else if (!(seen & FORM_BIT(PARAM_INSTANCE)))
		*error = SAYS("no instance");
	else if (!(seen & FORM_BIT(PARAM_SERVICE)))
		*error = SAYS("no service");
	else if (params->no_channels && params->mux == 0)
		*error = SAYS("channels=0 without mux=1");
	return *error == NULL ? WIRE_DONE : WIRE_BAD;
}

static void
put_text(struct writer *w, const char *key, struct str value)
{
	if (value.ptr != NULL)
		form_put(w, key, value);
}

static void
put_number(struct writer *w, const char *key, wire_number value)
{
	if (value > 0)
		form_put_number(w, key, value);
}

/* By hand: a device writes them and never reads any, so that it has no use for the table. */
void
control_params_encode(struct writer *w, const struct control_params *params)
{
	form_put(w, "name", params->name);
	put_text(w, "instance", params->instance);
	for (size_t i = 0; i < params->n_services; i++) {
		put_text(w, "service", params->services[i].name);
		writer_char(w, ':');
		writer_cstr(w, service_kind_name(params->services[i].kind));
	}
#ifndef CONTROL_VISITS_ALONE
	put_text(w, "lease", params->lease);
#endif
#ifndef TAUPE_WITHOUT_ENROLMENT
	put_text(w, "enrol", params->enrol);
#endif
	put_number(w, "hops", params->hops);
#ifndef CONTROL_VISITS_ALONE
	put_number(w, "warm", params->warm);
#endif
	put_number(w, "mux", params->mux);
	put_number(w, "visits", params->visits);
	put_number(w, "window", params->window);
	if (params->no_channels)
		put_text(w, "channels", STR("0"));
}

enum wire_result
transfer_params_decode(
    char *query, size_t len, struct str *id, const char **error)
{
	struct transfer_params params = {.id = {NULL, 0}};
	unsigned seen;

	if (form_table_decode(transfer_keys, COUNT(transfer_keys), query, len,
		&params, &seen, error) != WIRE_DONE)
		return WIRE_BAD;
	if (*error == NULL && !seen)
		*error = SAYS("no id");
	*id = params.id;
	return *error == NULL ? WIRE_DONE : WIRE_BAD;
}
