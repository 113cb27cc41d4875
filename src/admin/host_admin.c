/* SPDX-License-Identifier: MIT */
#include "admin/host_admin.h"

#include <stdio.h>
#include <stdlib.h>

#include "admin/admin_internal.h"
#include "base/printable.h"
#include "net/address.h"
#include "net/crypto.h"
#include "net/dns_txt.h"
#include "net/loop.h"

/* A TXT record stands under it. */
#define CUSTOM_HOST_MAX (HOST_NAME_MAX + 1 - sizeof(HOST_TXT_PREFIX))

/* JSON. */

static void
write_txt(const struct device_host *host, char name[HOST_NAME_MAX + 1],
    char value[HOST_TXT_VALUE_MAX])
{
	snprintf(name, HOST_NAME_MAX + 1, HOST_TXT_PREFIX "%.*s",
	    (int)CUSTOM_HOST_MAX, host->host);
	snprintf(value, HOST_TXT_VALUE_MAX, HOST_TXT_VALUE "%s", host->token);
}

json_t *
admin_host_json(const char *device, const struct device_host *host)
{
	char name[HOST_NAME_MAX + 1], value[HOST_TXT_VALUE_MAX];
	json_t *json =
	    json_pack("{s:s, s:s, s:s, s:I, s:s?}", "host", host->host,
		"service", host->service, "proof", host_proof_name(host->proof),
		"created_ms", (json_int_t)host->created_ms, "by",
		host->by[0] != '\0' ? host->by : NULL);

	if (device != NULL)
		json_object_set_new(json, "device", json_string(device));
	if (host->proved_ms != 0)
		json_object_set_new(json, "proved_ms",
		    json_integer((json_int_t)host->proved_ms));
	if (host->token[0] != '\0') {
		write_txt(host, name, value);
		json_object_set_new(json, "txt",
		    json_pack("{s:s, s:s}", "name", name, "value", value));
	}
	return json;
}

json_t *
admin_hosts_json(const struct device_hosts *hosts)
{
	json_t *list = json_array();

	for (size_t i = 0; hosts != NULL && i < hosts->n; i++)
		json_array_append_new(
		    list, admin_host_json(NULL, &hosts->items[i]));
	return list;
}

/* What may be one. */

static bool
is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text > '~')
			return false;
	return true;
}

static bool
is_address(const char *text)
{
	struct address address;

	return address_parse_ip(str_of(text), 0, &address) || text[0] == '[';
}

/* Why it is none. */
static int
fail_shape(struct admin *admin, const char *text)
{
	if (!is_ascii(text))
		return admin_fail(admin, ADMIN_INVALID,
		    "a name with letters beyond ASCII is written in its "
		    "xn-- form, which idn2 tells");
	if (strchr(text, '*') != NULL)
		return admin_fail(admin, ADMIN_INVALID,
		    "%s is a wildcard: add each name by itself", text);
	if (is_address(text))
		return admin_fail(admin, ADMIN_INVALID,
		    "%s is an address: visitors are told apart by names", text);
	if (strchr(text, '_') != NULL)
		return admin_fail(admin, ADMIN_INVALID,
		    "%s: a host name has no underscore; letters, digits and "
		    "hyphens alone",
		    text);
	if (strlen(text) > CUSTOM_HOST_MAX)
		return admin_fail(admin, ADMIN_INVALID,
		    "a name of %zu characters is too long: %d at most",
		    strlen(text), (int)CUSTOM_HOST_MAX);
	return admin_fail(admin, ADMIN_INVALID,
	    "%s is no host name, such as shop.example.com: labels of letters, "
	    "digits and hyphens, two or more with dots between them, and "
	    "nothing else",
	    text);
}

static int
take_name(struct admin *admin, const char *text, char host[HOST_NAME_MAX + 1])
{
	if (strchr(text, ':') == NULL &&
	    host_name_normalise(str_of(text), host, HOST_NAME_MAX + 1) &&
	    device_host_valid(str_of(host)) && strlen(host) <= CUSTOM_HOST_MAX)
		return ADMIN_OK;
	return fail_shape(admin, text);
}

/* The labels in front of a domain; absent if it is not under that. */
static struct str
in_front_of(struct str host, const char *domain)
{
	size_t len = strlen(domain);

	if (host.len <= len + 1 || host.ptr[host.len - len - 1] != '.' ||
	    memcmp(host.ptr + host.len - len, domain, len) != 0)
		return (struct str){0};
	return (struct str){host.ptr, host.len - len - 1};
}

void
admin_host_label(
    const char *text, const char *domain, char label[LABEL_MAX + 1])
{
	char host[HOST_NAME_MAX + 1];
	struct str found;

	label[0] = '\0';
	if (!host_name_normalise(str_of(text), host, sizeof(host)))
		return;
	found = in_front_of(str_of(host), domain);
	if (found.ptr != NULL && label_valid(found))
		(void)str_copy(found, label, LABEL_MAX + 1);
}

/* A name under the cluster's own domain is an alias. */
static int
take_alias(struct admin *admin, struct device_host *host, struct str label)
{
	if (!label_valid(label))
		return admin_fail(admin, ADMIN_INVALID,
		    "%s is under the cluster's own domain, where a name is one "
		    "label of 3 to %d of a-z, 0-9 and single hyphens, none at "
		    "an end",
		    host->host, LABEL_MAX);
	host->proof = HOST_ALIAS;
	host->proved_ms = host->created_ms;
	return ADMIN_OK;
}

static void
draw_token(char token[HOST_TOKEN_LEN + 1])
{
	uint8_t random[HOST_TOKEN_LEN / 2];
	struct writer w;

	crypto_random(random, sizeof(random));
	writer_init(&w, token, HOST_TOKEN_LEN);
	writer_hex(&w, random, sizeof(random));
	token[HOST_TOKEN_LEN] = '\0';
}

static void
take_custom(struct device_host *host, bool vouched)
{
	draw_token(host->token);
	host->proof = vouched ? HOST_WORD : HOST_PENDING;
	host->proved_ms = vouched ? host->created_ms : 0;
}

static int
check_relays(struct admin *admin, const char *host)
{
	char relay[DEVICE_NAME_MAX + 1];
	int code = admin->store->relay_of_host(admin, host, relay);

	if (code == ADMIN_OK && relay[0] != '\0')
		code = admin_fail_relays_name(admin, host, relay, "name");
	return code;
}

/* By whom, as far as a record takes it. */
static void
write_by(const char *who, char by[HOST_BY_MAX + 1])
{
	snprintf(by, HOST_BY_MAX + 1, "%.*s", HOST_BY_MAX, who);
	make_printable(by);
}

static int
make_host(struct admin *admin, const struct host_wish *wish, const char *domain,
    struct device_host *host)
{
	struct str label;
	int code = take_name(admin, wish->host, host->host);

	if (code != ADMIN_OK)
		return code;
	if (strcmp(host->host, domain) == 0)
		return admin_fail(admin, ADMIN_INVALID,
		    "%s is the cluster's own domain, which all devices' names "
		    "are under: choose a name under it, or another one",
		    domain);
	memcpy(host->service, wish->service, sizeof(host->service));
	host->created_ms = loop_wall_ms();
	write_by(wish->by, host->by);
	label = in_front_of(str_of(host->host), domain);
	if (label.ptr != NULL)
		code = take_alias(admin, host, label);
	else
		take_custom(host, wish->vouched);
	return code == ADMIN_OK ? check_relays(admin, host->host) : code;
}

/* The device. */

static const char *
text_in(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static int
check_service(
    struct admin *admin, const json_t *device, const struct host_wish *wish)
{
	const json_t *lease = json_object_get(device, "lease");

	if (json_object_get(json_object_get(device, "ports"), wish->service) ==
		NULL &&
	    json_object_get(json_object_get(lease, "ports"), wish->service) ==
		NULL)
		return ADMIN_OK;
	return admin_fail(admin, ADMIN_INVALID,
	    "%s of %s is a tcp service: visitors find it by its port, under "
	    "any name that leads here; a name of its own is for http and tls "
	    "services",
	    wish->service, wish->device);
}

static const char *
label_of(const json_t *device)
{
	const char *label = text_in(json_object_get(device, "lease"), "label");

	return label != NULL && label[0] != '\0' ? label
						 : text_in(device, "label");
}

static int
check_label(
    struct admin *admin, const json_t *device, const struct device_host *host)
{
	struct str label = device_host_label(host);
	const char *leased = text_in(json_object_get(device, "lease"), "label"),
		   *reserved = text_in(device, "label");

	if (label.ptr == NULL ||
	    ((leased == NULL || !str_is(label, leased)) &&
		(reserved == NULL || !str_is(label, reserved))))
		return ADMIN_OK;
	return admin_fail_own_name(admin, host->host);
}

/* Any name under the domain leads where the wildcard does; the device's own tells people most. */
static void
add_cname(json_t *json, const json_t *device, const char *domain)
{
	const char *label = label_of(device);
	char cname[LABEL_MAX + HOST_NAME_MAX + 2];

	snprintf(cname, sizeof(cname), "%s.%s",
	    label != NULL && label[0] != '\0' ? label : "www", domain);
	json_object_set_new(json, "cname", json_string(cname));
}

int
admin_host_take_place(
    struct admin *admin, const char *text, struct host_wish *wish)
{
	struct str name, service;

	if (str_split(str_of(text), '/', &name, &service) &&
	    device_name_valid(name) && service_name_valid(service) &&
	    str_copy(name, wish->device, sizeof(wish->device)) &&
	    str_copy(service, wish->service, sizeof(wish->service)))
		return ADMIN_OK;
	return admin_fail(admin, ADMIN_INVALID,
	    "%s is no DEVICE/SERVICE, such as alice/web", text);
}

/* Operations. */

int
admin_host_add(struct admin *admin, const struct host_wish *wish, json_t **json)
{
	char domain[HOST_NAME_MAX + 1];
	struct device_host host = {0};
	json_t *device = NULL;
	int code = admin->store->domain(admin, domain);

	if (code == ADMIN_OK)
		code = make_host(admin, wish, domain, &host);
	if (code == ADMIN_OK)
		code = admin->store->device(admin, wish->device, &device);
	if (code != ADMIN_OK)
		return code;
	code = check_service(admin, device, wish);
	if (code == ADMIN_OK)
		code = check_label(admin, device, &host);
	if (code == ADMIN_OK)
		code = admin->store->host_add(admin, wish->device, &host);
	if (code == ADMIN_OK) {
		*json = admin_host_json(wish->device, &host);
		add_cname(*json, device, domain);
	}
	json_decref(device);
	return code;
}

/* Where it stands, and of whom. */
static int
find(struct admin *admin, const char *text, char device[DEVICE_NAME_MAX + 1],
    struct device_host *host)
{
	char name[HOST_NAME_MAX + 1];
	int code = take_name(admin, text, name);

	return code == ADMIN_OK ? admin->store->host(admin, name, device, host)
				: code;
}

static int
fail_unproved(struct admin *admin, const struct device_host *host,
    const char *device, const char *seen)
{
	char name[HOST_NAME_MAX + 1], value[HOST_TXT_VALUE_MAX];

	write_txt(host, name, value);
	if (host->proof == HOST_PENDING)
		return admin_fail(admin, ADMIN_UNPROVED,
		    "%s has %s: it must have \"%s\", and may take a while "
		    "until everybody sees it",
		    name, seen, value);
	return admin_fail(admin, ADMIN_UNPROVED,
	    "%s has %s in place of \"%s\"; %s goes on leading to %s/%s: if it "
	    "is theirs no more, taupectl domain rm %s",
	    name, seen, value, host->host, device, host->service, host->host);
}

static int
look(struct admin *admin, const char *device, const struct device_host *host,
    const struct name_servers *servers, uint64_t timeout_ms)
{
	char name[HOST_NAME_MAX + 1], value[HOST_TXT_VALUE_MAX],
	    error[DNS_TXT_ERROR_MAX];

	write_txt(host, name, value);
	switch (dns_txt_look(name, value, servers, timeout_ms, error)) {
	case DNS_TXT_FOUND:
		break;
	case DNS_TXT_NONE:
		return fail_unproved(admin, host, device, "no TXT record");
	case DNS_TXT_OTHERS:
		return fail_unproved(admin, host, device, "another TXT record");
	case DNS_TXT_FAILED:
		return admin_fail(admin, ADMIN_UNPROVED,
		    "the TXT record of %s cannot be asked for: %s", name,
		    error);
	}
	return ADMIN_OK;
}

int
admin_host_verify(struct admin *admin, const char *text,
    const struct name_servers *servers, uint64_t timeout_ms, json_t **json)
{
	char device[DEVICE_NAME_MAX + 1];
	struct device_host host;
	int code = find(admin, text, device, &host);

	if (code == ADMIN_OK && host.proof == HOST_ALIAS)
		return admin_fail(admin, ADMIN_IMPOSSIBLE,
		    "%s is an alias under the cluster's own domain: there is "
		    "nothing to prove",
		    host.host);
	if (code == ADMIN_OK)
		code = look(admin, device, &host, servers, timeout_ms);
	if (code != ADMIN_OK)
		return code;
	host.proof = HOST_TXT;
	host.proved_ms = loop_wall_ms();
	code = admin->store->host_prove(admin, device, &host);
	if (code == ADMIN_OK)
		*json = admin_host_json(device, &host);
	return code;
}

int
admin_host_remove(struct admin *admin, const char *text)
{
	char device[DEVICE_NAME_MAX + 1];
	struct device_host host;
	int code = find(admin, text, device, &host);

	return code == ADMIN_OK
	    ? admin->store->host_remove(admin, device, &host)
	    : code;
}

static int
compare_hosts(const void *a, const void *b)
{
	const json_t *const *left = a, *const *right = b;

	return strcmp(text_in(*left, "host"), text_in(*right, "host"));
}

int
admin_hosts(struct admin *admin, json_t *list)
{
	json_t *found = json_array(), **sorted = NULL, *host;
	int code = admin->store->hosts(admin, found);
	size_t n = json_array_size(found), i;

	if (code == ADMIN_OK && n > 0 &&
	    (sorted = calloc(n, sizeof(json_t *))) == NULL)
		code = admin_fail_memory(admin);
	if (code == ADMIN_OK && n > 0) {
		json_array_foreach (found, i, host)
			sorted[i] = host;
		qsort(sorted, n, sizeof(json_t *), compare_hosts);
		/* a store may come by one twice */
		for (i = 0; i < n; i++)
			if (i == 0 ||
			    compare_hosts(&sorted[i - 1], &sorted[i]) != 0)
				json_array_append(list, sorted[i]);
	}
	free(sorted);
	json_decref(found);
	return code;
}
