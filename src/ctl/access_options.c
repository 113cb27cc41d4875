/* SPDX-License-Identifier: MIT */
#include "ctl/access_options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "admin/access_admin.h"
#include "admin/secret.h"
#include "base/private_file.h"
#include "ctl/report.h"
#include "net/crypto.h"

#define PASSWORD_DRAWN_LEN 20 /* 100 random bits */

/* The first line of a file. */
static int
read_password(const char *path, char password[PASSWORD_TEXT_MAX])
{
	if (private_file_read(
		"password_file", path, password, PASSWORD_TEXT_MAX) < 0)
		return ctl_fail(EX_NOINPUT, "%s: %s", path, strerror(errno));
	password[strcspn(password, "\r\n")] = '\0';
	if (!admin_password_valid(str_of(password)))
		return ctl_fail(EX_DATAERR,
		    "%s: a password is the first line, %d to %d visible ASCII "
		    "characters: only a fast hash of it is stored, so that a "
		    "short one could be guessed from that",
		    path, ACCESS_PASSWORD_MIN, ACCESS_PASSWORD_MAX);
	return EX_OK;
}

static int
take_password(struct ctl *ctl, char password[PASSWORD_TEXT_MAX], bool *drawn)
{
	if (*drawn || password[0] != '\0')
		return EX_OK;
	if (ctl->options.password_file != NULL)
		return read_password(ctl->options.password_file, password);
	crypto_base32_label(password, PASSWORD_DRAWN_LEN);
	*drawn = true;
	return EX_OK;
}

static int
take_user(const struct ctl *ctl, struct access_rule *rule)
{
	const char *user =
	    ctl->options.user != NULL ? ctl->options.user : ACCESS_USER_DEFAULT;

	if (!access_user_valid(str_of(user)))
		return ctl_fail(EX_DATAERR,
		    "%s cannot be a user: 1 to %d visible ASCII characters, "
		    "without a colon",
		    user, ACCESS_USER_MAX);
	(void)str_copy(str_of(user), rule->user, sizeof(rule->user));
	return EX_OK;
}

static int
take_one(struct ctl *ctl, const char *text, struct access_wish *wish,
    char password[PASSWORD_TEXT_MAX], bool *drawn)
{
	int code =
	    ctl_result(ctl, admin_access_parse(&ctl->admin, text, wish));

	if (code != EX_OK || wish->rule.mode != ACCESS_PASSWORD)
		return code;
	wish->password = password;
	code = take_user(ctl, &wish->rule);
	return code == EX_OK ? take_password(ctl, password, drawn) : code;
}

int
device_access_take(struct ctl *ctl, const char *name,
    char password[PASSWORD_TEXT_MAX], bool *drawn)
{
	const struct option_list *list = &ctl->options.access;
	struct access_wish wishes[SERVICES_MAX];
	bool asked = false;
	int code = EX_OK;

	password[0] = '\0';
	*drawn = false;
	if (list->count > SERVICES_MAX)
		return ctl_fail(EX_DATAERR, "a device has %d services at most",
		    SERVICES_MAX);
	for (size_t i = 0; code == EX_OK && i < list->count; i++) {
		code = take_one(
		    ctl, list->items[i], &wishes[i], password, drawn);
		asked = asked || wishes[i].rule.mode == ACCESS_PASSWORD;
		for (size_t k = 0; code == EX_OK && k < i; k++)
			if (strcmp(wishes[k].rule.service,
				wishes[i].rule.service) == 0)
				code = ctl_fail(EX_DATAERR,
				    "%s: the service was named before",
				    list->items[i]);
	}
	if (code == EX_OK && !asked &&
	    (ctl->options.user != NULL || ctl->options.password_file != NULL))
		code = ctl_fail(EX_USAGE,
		    "user and password_file belong to --access "
		    "SERVICE=password");
	if (code != EX_OK)
		return code;
	return ctl_changed(ctl, "device set", name,
	    admin_access_set(&ctl->admin, name, wishes, list->count));
}

/* For people. */

static void
show_rule(const char *service, const json_t *rule)
{
	const json_t *net;
	size_t i;

	printf("%-10s %s: %s", "access", service, report_str(rule, "mode"));
	if (json_object_get(rule, "user") != NULL)
		printf(", user %s", report_str(rule, "user"));
	json_array_foreach (json_object_get(rule, "nets"), i, net)
		printf("%s%s", i == 0 ? " " : ", ", json_string_value(net));
	puts("");
}

void
device_access_show(const json_t *device)
{
	json_t *rules = json_object_get(device, "access"), *rule;
	const char *service;

	json_object_foreach (rules, service, rule)
		show_rule(service, rule);
	if (json_object_size(rules) == 0)
		report_line("access", "public");
	if (json_array_size(json_object_get(device, "shares")) > 0)
		printf("%-10s %zu links\n", "shares",
		    json_array_size(json_object_get(device, "shares")));
}
