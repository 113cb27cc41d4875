/* SPDX-License-Identifier: MIT */
/* The command line: which command, on which store. */
#include "ctl/ctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <sysexits.h>

#include "ctl/device_limits.h"
#include "net/process.h"
#include "net/redis_sync.h"

#define MONTH_MS (UINT64_C(30) * 24 * 3600 * 1000)

static const struct {
	const char *noun, *verb; /* verb NULL: the noun is the whole command */
	bool needs_name;
	int (*run)(struct ctl *ctl, const char *name);
} commands[] = {
    {"device", "add", true, command_device_add},
    {"device", "ls", false, command_device_list},
    {"device", "show", true, command_device_show},
    {"device", "set", true, command_device_set},
    {"device", "rotate", true, command_device_rotate},
    {"device", "rm", true, command_device_remove},
    {"fleet", "add", true, command_fleet_add},
    {"fleet", "ls", false, command_fleet_list},
    {"fleet", "show", true, command_fleet_show},
    {"fleet", "rm", true, command_fleet_remove},
    {"relay", "ls", false, command_relay_list},
    {"relay", "drain", true, command_relay_drain},
    {"relay", "undrain", true, command_relay_undrain},
    {"route", "ls", false, command_route_list},
    {"status", NULL, false, command_status},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

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
ctl_fail_exists(const char *name)
{
	return ctl_fail(EX_CANTCREAT,
	    "there is a device %s already; its secret cannot be shown again. "
	    "For a new one: "
	    "taupectl device rotate %s --now",
	    name, name);
}

int
ctl_fail_fleet_exists(const char *name)
{
	return ctl_fail(EX_CANTCREAT,
	    "there is a fleet %s already; its key cannot be shown again. For a "
	    "new one: taupectl fleet rm %s, and fleet add: its devices stay",
	    name, name);
}

int
ctl_fail_no_fleet(const char *name)
{
	return ctl_fail(EX_NOUSER, "there is no fleet %s", name);
}

int
ctl_fail_reserved(const char *what, const char *id, const char *owner)
{
	return ctl_fail(EX_CANTCREAT,
	    "%s %s is reserved for the device %s: choose another one, or "
	    "remove that device "
	    "first",
	    what, id, owner);
}

static const char *
text_or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

void
ctl_take_heartbeats(json_t *session, uint64_t heartbeat_ms, uint64_t beat_bytes,
    uint64_t budget_bytes)
{
	if (heartbeat_ms == 0)
		return;
	json_object_set_new(
	    session, "heartbeat_ms", json_integer((json_int_t)heartbeat_ms));
	if (beat_bytes > 0 && beat_bytes <= BEAT_BYTES_MAX) {
		json_object_set_new(session, "beat_bytes",
		    json_integer((json_int_t)beat_bytes));
		json_object_set_new(session, "idle_bytes_month",
		    json_integer(
			(json_int_t)(MONTH_MS * beat_bytes / heartbeat_ms)));
	}
	if (budget_bytes > 0)
		json_object_set_new(session, "budget_bytes",
		    json_integer((json_int_t)budget_bytes));
}

json_t *
ctl_record_json(const struct device_record *record)
{
	json_t *ports = json_object();

	for (size_t i = 0; i < record->n_ports; i++)
		json_object_set_new(ports, record->ports[i].service,
		    json_integer(record->ports[i].port));
	return json_pack("{s:s, s:s?, s:o, s:o, s:s?, s:s?}", "name",
	    record->name, "label", text_or_null(record->label), "ports", ports,
	    "limits", device_limits_json(record->limits), "rotation",
	    text_or_null(record->rotation), "fleet",
	    text_or_null(record->fleet));
}

json_t *
ctl_fleet_json(const struct fleet_record *record)
{
	return json_pack("{s:s, s:s?, s:I, s:I, s:I, s:I}", "name",
	    record->name, "pattern", text_or_null(record->pattern), "max",
	    (json_int_t)record->max, "used", (json_int_t)record->used,
	    "expires_ms", (json_int_t)record->expires_ms, "created_ms",
	    (json_int_t)record->created_ms);
}

static int
fail_usage(const char *what)
{
	ctl_fail(EX_USAGE, "%s", what);
	fputs("commands:", stderr);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(stderr, "%s %s%s%s%s", i ? "," : "", commands[i].noun,
		    commands[i].verb ? " " : "",
		    commands[i].verb ? commands[i].verb : "",
		    commands[i].needs_name ? " NAME" : "");
	fputs("; taupectl --help tells the options\n", stderr);
	return EX_USAGE;
}

/* Without one, relay ls and its like can still ask an admin server. */
static int
choose_store(struct ctl *ctl)
{
	const struct ctl_options *options = &ctl->options;

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
	ctl->store = redis_options_given(&options->registry) ? &redis_store
							     : &file_store;
	return EX_OK;
}

static bool
is_command(size_t i, const struct option_list *words)
{
	return strcmp(words->items[0], commands[i].noun) == 0 &&
	    (commands[i].verb == NULL ||
		(words->count > 1 &&
		    strcmp(words->items[1], commands[i].verb) == 0));
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
run_command(struct ctl *ctl, size_t i)
{
	const struct option_list *words = &ctl->options.words;
	size_t used = commands[i].verb != NULL ? 2 : 1;
	const char *name = commands[i].needs_name && words->count > used
	    ? words->items[used]
	    : NULL;
	int code;

	if (commands[i].needs_name && name == NULL)
		return fail_usage(strcmp(commands[i].noun, "device") == 0
			? "the device's name is missing"
			: strcmp(commands[i].noun, "fleet") == 0
			? "the fleet's name is missing"
			: "the relay's id is missing");
	if (words->count > used + (name != NULL))
		return fail_usage("there are too many words");
	if (commands[i].run != command_device_add &&
	    (ctl->options.label != NULL || ctl->options.port.count > 0))
		return fail_usage("label and port belong to device add");
	if (commands[i].run != command_device_add &&
	    commands[i].run != command_device_set &&
	    device_limits_given(&ctl->options))
		return fail_usage("limits belong to device add and device set");
	if (commands[i].run != command_device_rotate && ctl->options.now)
		return fail_usage("now belongs to device rotate");
	if (commands[i].run != command_fleet_add &&
	    (ctl->options.devices > 0 || ctl->options.expires_ms > 0 ||
		ctl->options.pattern != NULL))
		return fail_usage(
		    "devices, expires and pattern belong to fleet add");
	if (name != NULL &&
	    (code = check_name(commands[i].noun, name)) != EX_OK)
		return code;
	if ((code = choose_store(ctl)) != EX_OK)
		return code;
	return commands[i].run(ctl, name);
}

static int
run(struct ctl *ctl)
{
	if (ctl->options.words.count == 0)
		return fail_usage("a command is missing");
	for (size_t i = 0; i < COMMANDS; i++)
		if (is_command(i, &ctl->options.words))
			return run_command(ctl, i);
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
	redis_sync_free(&ctl.redis);
	options_free(&ctl_option_table, &ctl.options);
	return code;
}
