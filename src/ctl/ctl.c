/* SPDX-License-Identifier: MIT */
/* The command line: which command, on which store. */
#include "ctl/ctl.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/wipe.h"
#include "ctl/limit_options.h"
#include "ctl/report.h"
#include "net/process.h"
#include "net/secret_file.h"

int
ctl_fail(int code, const char *format, ...)
{
	va_list args;

	fputs("taupectl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return code;
}

int
ctl_fail_memory(void)
{
	return ctl_fail(EX_OSERR, "out of memory");
}

int
ctl_result(const struct ctl *ctl, int admin_code)
{
	static const int exits[ADMIN_CODES] = {
	    [ADMIN_OK] = EX_OK,
	    [ADMIN_UNKNOWN] = EX_NOUSER,
	    [ADMIN_NO_RELAY] = EX_UNAVAILABLE,
	    [ADMIN_TAKEN] = EX_CANTCREAT,
	    [ADMIN_INVALID] = EX_DATAERR,
	    [ADMIN_BAD_FILE] = EX_DATAERR,
	    [ADMIN_NOT_GIVEN] = EX_USAGE,
	    [ADMIN_IMPOSSIBLE] = EX_UNAVAILABLE,
	    [ADMIN_UNPROVED] = EX_TEMPFAIL,
	    [ADMIN_BUSY] = EX_TEMPFAIL,
	    [ADMIN_DOWN] = EX_UNAVAILABLE,
	    [ADMIN_REFUSED] = EX_NOPERM,
	    [ADMIN_NONSENSE] = EX_PROTOCOL,
	    [ADMIN_UNREADABLE] = EX_NOINPUT,
	    [ADMIN_UNWRITABLE] = EX_CANTCREAT,
	    [ADMIN_NO_MEMORY] = EX_OSERR,
	};

	if (admin_code == ADMIN_OK)
		return EX_OK;
	return ctl_fail(exits[admin_code], "%s", ctl->admin.error.text);
}

int
ctl_changed(
    struct ctl *ctl, const char *what, const char *object, int admin_code)
{
	int code = ctl_result(ctl, admin_code);

	if (ctl->admin.store->audit(&ctl->admin, what, object, admin_code) !=
		ADMIN_OK &&
	    admin_code == ADMIN_OK)
		fprintf(stderr,
		    "taupectl: that is done, but no event tells of it: %s\n",
		    ctl->admin.error.text);
	return code;
}

int
ctl_show_list(const struct ctl *ctl, int admin_code, json_t *list,
    const struct list_view *view)
{
	int code = ctl_result(ctl, admin_code);

	if (code == EX_OK)
		code = report_list(list, view, ctl->options.json);
	json_decref(list);
	return code;
}

int
ctl_show_secret(const struct ctl *ctl, json_t *json, const char *key,
    const char *secret, const char *hint)
{
	if (ctl->options.json) {
		json_object_set_new(json, key, json_string(secret));
		return ctl_secret_told(report_json(json));
	}
	json_decref(json);
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "%s\n", hint);
	puts(secret);
	return ctl_secret_told(EX_OK);
}

int
ctl_secret_told(int code)
{
	if (code != EX_OK || fflush(stdout) == 0)
		return code;
	return ctl_fail(EX_IOERR,
	    "the secret could not be written, and nobody has it; what it is "
	    "for has been made all the same: draw another one (device rotate "
	    "NAME --now), or remove it and add it anew");
}

static void
say_command(const struct option_command *words, const char *before)
{
	fprintf(stderr, "%s %s%s%s%s%s", before, words->noun,
	    words->verb ? " " : "", words->verb ? words->verb : "",
	    words->argument ? " " : "", words->argument ? words->argument : "");
}

static int
fail_usage(const char *what)
{
	ctl_fail(EX_USAGE, "%s", what);
	fputs("commands:", stderr);
	for (size_t i = 0; ctl_commands[i].run != NULL; i++)
		say_command(&ctl_commands[i].words, i ? "," : "");
	fputs("; taupectl --help tells the options\n", stderr);
	return EX_USAGE;
}

/* For the audit: the user of the system, and the host. */
static void
who_we_are(struct ctl *ctl)
{
	const struct passwd *user = getpwuid(getuid());

	if (user != NULL)
		snprintf(
		    ctl->who, sizeof(ctl->who), "taupectl:%s", user->pw_name);
	else
		snprintf(ctl->who, sizeof(ctl->who), "taupectl:%lu",
		    (unsigned long)getuid());
	if (gethostname(ctl->host, sizeof(ctl->host) - 1) != 0)
		snprintf(ctl->host, sizeof(ctl->host), "localhost");
}

/* The bearer of it may ask a relay that stands alone, also when not everybody may. */
static int
take_admin_token(struct ctl *ctl)
{
	const char *file = ctl->options.admin_token_file;
	char name[DEVICE_NAME_MAX + 1];
	int code;

	if (file == NULL)
		return EX_OK;
	if (ctl->options.admin == NULL)
		return ctl_fail(EX_USAGE,
		    "admin_token_file belongs to admin: Redis is asked with "
		    "redis_user and redis_password_file");
	code = secret_file_read(
	    "admin_token_file", file, ctl->token, sizeof(ctl->token));
	if (code == EX_OK && !token_name(str_of(ctl->token), name))
		code = ctl_fail(EX_DATAERR,
		    "admin_token_file: the first line of %s is no token, as "
		    "taupectl token add prints it",
		    file);
	return code;
}

/* Without one, relay ls and its like can still ask an admin server. */
static int
choose_store(struct ctl *ctl)
{
	const struct ctl_options *options = &ctl->options;
	int code;

	if (redis_options_given(&options->registry) &&
	    (options->devices_file != NULL || options->admin != NULL))
		return ctl_fail(EX_USAGE,
		    "redis and %s are both given: a relay has its registry in "
		    "Redis, or it "
		    "stands alone",
		    options->devices_file != NULL ? "devices_file" : "admin");
	if (!redis_options_given(&options->registry) &&
	    options->devices_file == NULL && options->admin == NULL)
		return ctl_fail(EX_CONFIG,
		    "there is nothing to administer: give --redis HOST:PORT, "
		    "or for a relay that "
		    "stands alone --devices-file FILE and --admin ADDRESS:PORT "
		    "(or write it into "
		    "%s)",
		    ctl_option_table.default_file);
	if ((code = take_admin_token(ctl)) != EX_OK)
		return code;
	admin_init(&ctl->admin, &options->registry, "taupectl");
	ctl->admin.devices_file = options->devices_file;
	ctl->admin.relay = options->admin;
	ctl->admin.relay_token = ctl->token;
	ctl->admin.domain = options->domain;
	ctl->admin.who = ctl->who;
	ctl->admin.from = ctl->host;
	who_we_are(ctl);
	return EX_OK;
}

static bool
is_command(
    const struct option_command *command, const struct option_list *words)
{
	return strcmp(words->items[0], command->noun) == 0 &&
	    (command->verb == NULL ||
		(words->count > 1 &&
		    strcmp(words->items[1], command->verb) == 0));
}

static int
check_name(const char *noun, const char *name)
{
	if (device_name_valid(str_of(name)))
		return EX_OK;
	return ctl_fail(EX_DATAERR,
	    "\"%s\" cannot be a %s's name: 1 to %d letters, digits, dots, "
	    "hyphens and "
	    "underscores, of which the first is a letter or a digit",
	    name, noun, DEVICE_NAME_MAX);
}

static int
run_command(struct ctl *ctl, const struct ctl_command *command)
{
	const char *noun = command->words.noun;
	const char *argument = command->words.argument;
	bool needs_name = argument != NULL && argument[0] != '[';
	const struct option_list *words = &ctl->options.words;
	size_t used = command->words.verb != NULL ? 2 : 1;
	const char *name =
	    argument != NULL && words->count > used ? words->items[used] : NULL;
	int code;

	if (needs_name && name == NULL && command->words.argument[0] != '[')
		return fail_usage(strcmp(noun, "device") == 0
			? "the device's name is missing"
			: strcmp(noun, "token") == 0
			? "the token's name is missing"
			: strcmp(noun, "fleet") == 0
			? "the fleet's name is missing"
			: strcmp(noun, "cert") == 0 ? "the PEM file is missing"
			: strcmp(noun, "completion") == 0
			? "the shell's name is missing"
			: strcmp(noun, "domain") == 0
			? "the host name is missing"
			: command->run == command_connect
			? "DEVICE/SERVICE or a share link is missing, such as "
			  "alice/ssh"
			: command->run == command_share
			? "DEVICE/SERVICE is missing, such as alice/web"
			: command->run == command_share_revoke
			? "the share link's id is missing"
			: "the relay's id is missing");
	if (words->count >
	    used + (name != NULL) + (command->run == command_domain_add))
		return fail_usage("there are too many words");
	if (command->run != command_device_add &&
	    (ctl->options.label != NULL || ctl->options.port.count > 0))
		return fail_usage("label and port belong to device add");
	if (command->run != command_device_add &&
	    command->run != command_device_set &&
	    device_limits_given(&ctl->options))
		return fail_usage("limits belong to device add and device set");
	if (ctl->options.qr && command->run != command_device_add &&
	    !(command->run == command_device_rotate && ctl->options.now))
		return fail_usage(
		    "qr belongs to device add and device rotate --now: no "
		    "other command has a secret to show");
	if (command->run != command_device_rotate && ctl->options.now)
		return fail_usage("now belongs to device rotate");
	if (command->run != command_usage &&
	    (ctl->options.from != NULL || ctl->options.to != NULL ||
		ctl->options.csv))
		return fail_usage("from, to and csv belong to usage");
	if (command->run != command_fleet_add &&
	    (ctl->options.devices > 0 || ctl->options.expires_ms > 0 ||
		ctl->options.pattern != NULL))
		return fail_usage(
		    "devices, expires and pattern belong to fleet add");
	if (command->run != command_token_add && ctl->options.role != NULL)
		return fail_usage("role belongs to token add");
	if (command->run != command_token_add &&
	    command->run != command_share && ctl->options.for_ms > 0)
		return fail_usage("for belongs to token add and share");
	if (command->run != command_share &&
	    (ctl->options.note != NULL || ctl->options.url != NULL))
		return fail_usage("note and url belong to share");
	if (command->run != command_domain_add && ctl->options.on_my_word)
		return fail_usage("on_my_word belongs to domain add");
	if (command->run != command_device_set &&
	    (ctl->options.access.count > 0 || ctl->options.user != NULL ||
		ctl->options.password_file != NULL))
		return fail_usage(
		    "access, user and password_file belong to device set");
	if (command->run != command_events &&
	    (ctl->options.follow || ctl->options.device != NULL ||
		ctl->options.kind.count > 0 || ctl->options.since_ms > 0 ||
		ctl->options.webhook != NULL))
		return fail_usage(
		    "follow, device, kind, since and webhook belong to events");
	if (command->run != command_connect &&
	    (ctl->options.token_file != NULL || ctl->options.listen != NULL ||
		ctl->options.gateway))
		return fail_usage(
		    "token_file, listen and gateway belong to connect");
	/* these need no registry; who has it can connect without a link */
	if (command->run == command_completion ||
	    (command->run == command_connect &&
		!redis_options_given(&ctl->options.registry) &&
		ctl->options.devices_file == NULL) ||
	    command->run == command_cert_load ||
	    command->run == command_cert_list)
		return command->run(ctl, name);
	if (name != NULL && command->run != command_share &&
	    command->run != command_connect &&
	    command->run != command_share_revoke &&
	    strcmp(noun, "domain") != 0 &&
	    (code = check_name(noun, name)) != EX_OK)
		return code;
	if ((code = choose_store(ctl)) != EX_OK)
		return code;
	return command->run(ctl, name);
}

static int
run(struct ctl *ctl)
{
	if (ctl->options.words.count == 0)
		return fail_usage("a command is missing");
	for (size_t i = 0; ctl_commands[i].run != NULL; i++)
		if (is_command(&ctl_commands[i].words, &ctl->options.words))
			return run_command(ctl, &ctl_commands[i]);
	return fail_usage("there is no such command");
}

int
ctl_main(int argc, char **argv)
{
	struct ctl ctl = {0};
	int code;

	process_begin();
	switch (options_load(&ctl_option_table, argc, argv, &ctl.options)) {
	case OPTIONS_OK:
		break;
	case OPTIONS_EXIT:
		return EX_OK;
	case OPTIONS_ERROR:
		return EX_CONFIG;
	}
	if (ctl.options.core_dumps)
		process_show_memory();
	code = run(&ctl);
	if (fflush(stdout) != 0 && code == EX_OK)
		code = ctl_fail(EX_IOERR, "the answer could not be written");
	admin_fini(&ctl.admin);
	wipe(ctl.token, sizeof(ctl.token));
	options_free(&ctl_option_table, &ctl.options);
	return code;
}
