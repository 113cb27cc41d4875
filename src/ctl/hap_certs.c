/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "ctl/hap_certs.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl/report.h"
#include "wire/host_name.h"

struct reply {
	char *text;
	size_t len;
};

static void
append_cb(void *ctx, struct str line)
{
	struct reply *reply = ctx;

	line = str_trim(line);
	for (size_t i = 0; i < line.len && reply->len + 2 < HAP_CERT_REPLY_MAX;
	     i++)
		reply->text[reply->len++] =
		    line.ptr[i] >= ' ' && line.ptr[i] <= '~' ? line.ptr[i]
							     : '?';
	if (line.len > 0 && reply->len + 2 < HAP_CERT_REPLY_MAX)
		reply->text[reply->len++] = ' ';
	reply->text[reply->len] = '\0';
}

int
hap_certs_ask(const char *socket, const char *command, uint64_t timeout_ms,
    char reply[HAP_CERT_REPLY_MAX])
{
	struct reply keep = {reply, 0};
	char error[HAP_QUERY_ERROR_MAX];

	reply[0] = '\0';
	if (hap_query(socket, command, timeout_ms, append_cb, &keep, error) ==
	    0)
		return 0;
	snprintf(reply, HAP_CERT_REPLY_MAX, "%s", error);
	return -1;
}

/* "# transaction", "# filename" and empty lines are none, "*name" is one under way. */
static void
take_name_cb(void *ctx, struct str line)
{
	char name[HAP_CERT_NAME_MAX];

	if (line.len > 0 && line.ptr[0] != '#' && line.ptr[0] != '*' &&
	    str_copy(line, name, sizeof(name)))
		json_array_append_new(ctx,
		    json_pack("{s:s, s:s, s:i, s:b}", "name", name, "names", "",
			"expires_s", 0, "used", 0));
}

static void
take_change_cb(void *ctx, struct str line)
{
	if (line.len > 1 && line.ptr[0] == '*')
		(void)str_copy((struct str){line.ptr + 1, line.len - 1}, ctx,
		    HAP_CERT_NAME_MAX);
}

int
hap_certs_changing(const char *socket, uint64_t timeout_ms,
    char name[HAP_CERT_NAME_MAX], char error[HAP_QUERY_ERROR_MAX])
{
	name[0] = '\0';
	return hap_query(
	    socket, "show ssl cert\n", timeout_ms, take_change_cb, name, error);
}

/* "Nov 30 00:58:18 2026 GMT" */
static int64_t
parse_time(struct str text)
{
	struct tm time = {0};
	char copy[40];
	const char *end;

	if (!str_copy(text, copy, sizeof(copy)))
		return 0;
	end = strptime(copy, "%b %d %H:%M:%S %Y GMT", &time);
	return end != NULL && *end == '\0' ? (int64_t)timegm(&time) : 0;
}

/* "DNS:*.example.com, DNS:example.com" without the "DNS:" */
static json_t *
parse_names(struct str text)
{
	char names[400];
	size_t len = 0;
	struct str one;

	names[0] = '\0';
	while (text.len > 0 && len < sizeof(names)) {
		(void)str_split(text, ',', &one, &text);
		one = str_trim(one);
		if (one.len > 4 && memcmp(one.ptr, "DNS:", 4) == 0)
			len += (size_t)snprintf(names + len,
			    sizeof(names) - len, "%s%.*s", len > 0 ? ", " : "",
			    (int)one.len - 4, one.ptr + 4);
	}
	return json_string(names);
}

static void
take_detail_cb(void *ctx, struct str line)
{
	struct str name, value;

	if (!str_split(line, ':', &name, &value))
		return;
	value = str_trim(value);
	if (str_is(name, "notAfter"))
		json_object_set_new(
		    ctx, "expires_s", json_integer(parse_time(value)));
	else if (str_is(name, "Status"))
		json_object_set_new(
		    ctx, "used", json_boolean(str_is(value, "Used")));
	else if (str_is(name, "Subject Alternative Name"))
		json_object_set_new(ctx, "names", parse_names(value));
}

int
hap_certs_list(const char *socket, uint64_t timeout_ms, json_t *list,
    char error[HAP_QUERY_ERROR_MAX])
{
	char command[HAP_CERT_NAME_MAX + 20];
	json_t *certificate;
	size_t i;

	if (hap_query(socket, "show ssl cert\n", timeout_ms, take_name_cb, list,
		error) != 0)
		return -1;
	json_array_foreach (list, i, certificate) {
		snprintf(command, sizeof(command), "show ssl cert %s\n",
		    json_string_value(json_object_get(certificate, "name")));
		if (hap_query(socket, command, timeout_ms, take_detail_cb,
			certificate, error) != 0)
			return -1;
	}
	return 0;
}

/* A file's name but for what HAProxy tells the keys of one certificate apart by. */
static struct str
without_type(const char *file)
{
	const char *dot = strrchr(file, '.');

	if (dot != NULL &&
	    (strcmp(dot, ".rsa") == 0 || strcmp(dot, ".ecdsa") == 0 ||
		strcmp(dot, ".dsa") == 0))
		return (struct str){file, (size_t)(dot - file)};
	return str_of(file);
}

/* by_name has the file that each name was in before. */
static void
find_rival(const json_t *certificate, json_t *by_name,
    hap_certs_rival_cb *rival_cb, void *ctx)
{
	const char *file = report_str(certificate, "name"), *other;
	struct str names = str_of(report_str(certificate, "names")), name;
	char text[HOST_NAME_MAX + 3];

	while (names.len > 0) {
		(void)str_split(names, ',', &name, &names);
		if (!str_copy(str_trim(name), text, sizeof(text)))
			continue;
		other = json_string_value(json_object_get(by_name, text));
		if (other == NULL) {
			json_object_set_new(by_name, text, json_string(file));
		} else if (!str_equal(
			       without_type(file), without_type(other))) {
			rival_cb(ctx, file, other, text);
			return;
		}
	}
}

void
hap_certs_each_rival(
    const json_t *list, hap_certs_rival_cb *rival_cb, void *ctx)
{
	json_t *by_name = json_object(), *certificate;
	size_t i;

	json_array_foreach (list, i, certificate)
		if (json_is_true(json_object_get(certificate, "used")))
			find_rival(certificate, by_name, rival_cb, ctx);
	json_decref(by_name);
}
