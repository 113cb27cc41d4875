/* SPDX-License-Identifier: MIT */
/* The order of things: options, the URI, what is there already, the secret, the configuration. */
#include "agent/setup.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "agent/enrolment_uri.h"
#include "agent/settings.h"
#include "agent/settings_options.h"
#include "agent/state_file.h"
#include "base/file.h"
#include "base/log.h"
#include "base/wipe.h"
#include "net/process.h"

#define PATH_BYTES 1024
#define NAME_BYTES (PATH_BYTES + 8)
#define CONFIG_BYTES 16384
#define BACKUPS_MAX 99

struct setup_options {
	char *directory, *ca_file;
	bool force;
	struct option_list service, words;
};

#define AT(member) offsetof(struct setup_options, member)

static const struct option_row rows[] = {
    {"service", OPTION_LIST, AT(service), "web:http:127.0.0.1:80", 1, 512, NULL,
	settings_check_service, "NAME:KIND:HOST:PORT",
	"A service to offer, as in taupe-agent.ini(5)."},
    {"ca_file", OPTION_STRING, AT(ca_file), NULL, 1, 900, NULL, NULL, "FILE",
	"Certificates (PEM) of the authorities that relays are verified with, "
	"if it is not one of the system's: the relay's own, if that is "
	"self-signed."},
    {"directory", OPTION_STRING, AT(directory), TAUPE_SYSCONFDIR, 1, 900, NULL,
	NULL, "DIR", "Where agent.ini and the secret are written."},
    {"force", OPTION_BOOL, AT(force), "no", 0, 0, NULL, NULL, NULL,
	"Replace what is there, which is kept with .bak behind its name. An "
	"agent.ini of the same device stays, and only the secret is "
	"replaced."},
    {.key = NULL},
};

const struct option_table setup_option_table = {
    .program = "taupe-agent setup",
    .synopsis = "Make the agent's configuration of what taupectl device add "
		"--qr has printed, which is read from standard input.",
    .section = "setup",
    .rows = rows,
    .struct_size = sizeof(struct setup_options),
    .arguments = "< URI",
    .arguments_offset = AT(words),
};

struct setup {
	struct setup_options options;
	struct enrolment_uri uri;
	char config[PATH_BYTES], secret[PATH_BYTES];
	bool config_stays; /* it is this device's already */
};

static int fail(int code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int
fail(int code, const char *format, ...)
{
	va_list args;

	fputs("taupe-agent setup: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return code;
}

static int
fail_errno(const char *path)
{
	return fail(EX_CANTCREAT, "%s: %s", path, log_errno());
}

static int
read_uri(struct setup *setup)
{
	char text[ENROLMENT_URI_MAX];
	const char *error;

	if (setup_read_line(text, sizeof(text)) != 0) {
		wipe(text, sizeof(text));
		return fail(EX_NOINPUT,
		    "there is nothing to read, or too much: standard input is "
		    "to have the line with taupe:// that taupectl device add "
		    "--qr prints");
	}
	error = enrolment_uri_parse(text, &setup->uri);
	wipe(text, sizeof(text));
	return error == NULL
	    ? EX_OK
	    : fail(EX_DATAERR, "what was read is no taupe:// of a device: %s",
		  error);
}

static int
find_places(struct setup *setup)
{
	char *folder = file_path(setup->options.directory);
	const char *ca = setup->options.ca_file;

	if (folder == NULL)
		return fail_errno(setup->options.directory);
	snprintf(
	    setup->config, PATH_BYTES, "%s" TAUPE_SLASH "agent.ini", folder);
	snprintf(setup->secret, PATH_BYTES, "%s" TAUPE_SLASH "secret", folder);
	free(folder);
	if (ca != NULL && state_file_is_free(ca) != 0)
		return fail(
		    EX_NOINPUT, "ca_file: %s: there is no such file", ca);
	return EX_OK;
}

/* Does the configuration that is there have this device's name, and this place of the secret? */
static bool
is_of_this_device(const struct setup *setup)
{
	char program[] = "taupe-agent", option[] = "--config";
	char config[PATH_BYTES];
	char *argv[] = {program, option, config, NULL};
	struct agent_options found;
	bool same;

	memcpy(config, setup->config, sizeof(config));
	if (options_load(&agent_option_table, 3, argv, &found) != OPTIONS_OK)
		return false;
	same = found.name != NULL && found.secret_file != NULL &&
	    strcmp(found.name, setup->uri.name) == 0 &&
	    strcmp(found.secret_file, setup->secret) == 0;
	options_free(&agent_option_table, &found);
	return same;
}

static int
check_free(const struct setup *setup, const char *path)
{
	int is_free = state_file_is_free(path);

	if (is_free < 0)
		return fail_errno(path);
	if (is_free == 0 && !setup->options.force)
		return fail(EX_CANTCREAT,
		    "%s is there already, and nothing was written: this device "
		    "has been set up. To set it up anew, or give it another "
		    "secret: --force",
		    path);
	return EX_OK;
}

/* Move it out of the way, to a name that is free, which is kept; "" if there is nothing. */
static int
keep_old(const char *path, char name[NAME_BYTES])
{
	name[0] = '\0';
	if (state_file_is_free(path) == 1)
		return EX_OK;
	for (int i = 0; i <= BACKUPS_MAX; i++) {
		if (i == 0)
			snprintf(name, NAME_BYTES, "%s.bak", path);
		else
			snprintf(name, NAME_BYTES, "%s.bak%d", path, i);
		if (state_file_is_free(name) != 1)
			continue;
		return state_file_rename(path, name) == 0 ? EX_OK
							  : fail_errno(path);
	}
	return fail(
	    EX_CANTCREAT, "%s: there are too many old ones beside it", path);
}

static void
fresh_name(const char *path, char name[NAME_BYTES])
{
	snprintf(name, NAME_BYTES, "%s.setup", path);
}

static void
drop_fresh(const char *path)
{
	char fresh[NAME_BYTES];

	fresh_name(path, fresh);
	(void)state_file_remove(fresh);
}

/* Write it under another name: what is there stays until all is on the disk. */
static int
write_fresh(const char *path, const char *text, size_t len)
{
	char fresh[NAME_BYTES];

	fresh_name(path, fresh);
	return state_file_write(fresh, text, len) == 0 && setup_give(fresh) == 0
	    ? EX_OK
	    : fail_errno(path);
}

/* Have there what keep_old() found. */
static void
put_back(const char *path, const char *old)
{
	if (old[0] == '\0') {
		if (state_file_remove(path) != 0)
			(void)fail(EX_CANTCREAT,
			    "%s cannot be removed again: %s", path,
			    log_errno());
	} else if (state_file_rename(old, path) != 0) {
		(void)fail(EX_CANTCREAT, "%s cannot be moved back to %s: %s",
		    old, path, log_errno());
	}
}

static int
put_in_place(const char *path, char old[NAME_BYTES])
{
	char fresh[NAME_BYTES];
	int code = keep_old(path, old);

	if (code != EX_OK)
		return code;
	fresh_name(path, fresh);
	if (state_file_rename(fresh, path) == 0)
		return EX_OK;
	code = fail_errno(path);
	if (old[0] != '\0')
		put_back(path, old);
	return code;
}

static void
tell(const char *path, const char *old)
{
	if (old[0] != '\0')
		printf("  what %s was is %s\n", path, old);
	printf("  %s\n", path);
}

static int
write_config(const struct setup *setup)
{
	const struct setup_options *options = &setup->options;
	char text[CONFIG_BYTES];
	size_t len = (size_t)snprintf(text, sizeof(text),
	    "# Written by taupe-agent setup; taupe-agent.ini(5) explains every "
	    "key.\n[agent]\nrelay = %s\nname = %s\nsecret_file = %s\n",
	    setup->uri.relay, setup->uri.name, setup->secret);

	if (options->ca_file != NULL)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "ca_file = %s\n", options->ca_file);
	for (size_t i = 0; i < options->service.count && len < sizeof(text);
	     i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "service = %s\n", options->service.items[i]);
	if (len >= sizeof(text))
		return fail(EX_USAGE, "there are too many services");
	/* state_file_write() ends the last line */
	return write_fresh(setup->config, text, len - 1);
}

/* The secret first: a configuration never leads to none. */
static int
put_all_in_place(const struct setup *setup)
{
	char old_secret[NAME_BYTES], old_config[NAME_BYTES];
	int code = put_in_place(setup->secret, old_secret);

	if (code == EX_OK && !setup->config_stays &&
	    (code = put_in_place(setup->config, old_config)) != EX_OK)
		put_back(setup->secret, old_secret);
	if (code != EX_OK)
		return code;
	tell(setup->secret, old_secret);
	if (!setup->config_stays)
		tell(setup->config, old_config);
	return EX_OK;
}

/* Both or none. */
static int
write_all(const struct setup *setup)
{
	int code = write_fresh(
	    setup->secret, setup->uri.secret, strlen(setup->uri.secret));

	if (code == EX_OK && !setup->config_stays)
		code = write_config(setup);
	if (code == EX_OK)
		code = put_all_in_place(setup);
	if (code != EX_OK) {
		drop_fresh(setup->secret);
		drop_fresh(setup->config);
	}
	return code;
}

static int
write_and_tell(void *ctx)
{
	const struct setup *setup = ctx;
	int code = write_all(setup);

	if (code == EX_OK)
		printf("This device is %s, and its relay %s. Is the way there "
		       "free? taupe-agent --check tells.\n",
		    setup->uri.name, setup->uri.relay);
	(void)fflush(stdout); /* who has waited may end us now */
	return code;
}

static int
run(struct setup *setup)
{
	int code = find_places(setup);

	if (setup->options.words.count > 0)
		return fail(EX_USAGE,
		    "everybody on this machine can read a command line: give "
		    "the taupe:// on standard input, and take another one "
		    "(taupectl device rotate NAME --now --qr), since this one "
		    "was seen");
	if (code == EX_OK)
		code = check_free(setup, setup->config);
	if (code == EX_OK)
		code = check_free(setup, setup->secret);
	if (code == EX_OK)
		code = read_uri(setup);
	if (code != EX_OK)
		return code;
	setup->config_stays =
	    state_file_is_free(setup->config) == 0 && is_of_this_device(setup);
	return setup_undisturbed(write_and_tell, setup);
}

int
setup_main(int argc, char **argv)
{
	struct setup setup = {0};
	int code;

	process_begin();
	switch (options_load(&setup_option_table, argc, argv, &setup.options)) {
	case OPTIONS_OK:
		break;
	case OPTIONS_EXIT:
		return EX_OK;
	case OPTIONS_ERROR:
		return EX_USAGE;
	}
	code = run(&setup);
	wipe(&setup.uri, sizeof(setup.uri));
	options_free(&setup_option_table, &setup.options);
	return code;
}
