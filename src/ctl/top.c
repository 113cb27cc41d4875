/* SPDX-License-Identifier: MIT */
/* Which form it takes: the live screen, or one look after the other for scripts. */
#include "ctl/top.h"

#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

static void
pause_ms(int64_t ms)
{
	const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};

	(void)nanosleep(&pause, NULL);
}

static int
print_view(const struct ctl_options *options, const struct top_view *view)
{
	json_t *json;
	int result;

	if (!options->json) {
		top_write(view, 0, 200, NULL, stdout);
		putchar('\n');
		return fflush(stdout);
	}
	json = top_json(view);
	result = json_dumpf(json, stdout, JSON_COMPACT);
	json_decref(json);
	putchar('\n');
	return result == 0 ? fflush(stdout) : result;
}

/* The first look is only what the first rates are measured from. */
static int
run_batch(struct top_source *source)
{
	const struct ctl_options *options = source->options;
	struct top_view before = {0}, view = {0};
	int64_t left = options->once ? 1 : options->count;
	int code = EX_OK;

	if (top_look(source, &view, &before) != 0)
		return ctl_fail(EX_UNAVAILABLE, "%s", source->error);
	for (bool more = true; more && code == EX_OK;) {
		pause_ms(options->interval_ms);
		if (top_look(source, &before, &view) != 0) {
			code = ctl_fail(EX_UNAVAILABLE, "%s", source->error);
			break;
		}
		/* what was filtered is not what the next look needs: relays */
		top_view_arrange(&view, (enum top_sort)options->sort,
		    options->filter != NULL ? options->filter : "");
		if (print_view(options, &view) != 0)
			code = ctl_fail(
			    EX_IOERR, "the answer could not be written");
		more = left == 0 || --left > 0;
		top_view_fini(&before);
		before = view;
	}
	top_view_fini(&before);
	return code;
}

int
command_top(struct ctl *ctl, const char *name)
{
	const struct ctl_options *options = &ctl->options;
	struct top_source source = {
	    .options = options, .admin = &ctl->admin};
	const char *terminal = getenv("TERM");
	bool dumb = terminal == NULL || strcmp(terminal, "dumb") == 0 ||
	    !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO);
	int code;

	(void)name;
	if (!redis_options_given(&options->registry) && options->admin == NULL)
		return ctl_fail(EX_USAGE,
		    "--admin ADDRESS:PORT is missing: the admin_listen of the "
		    "relay that stands alone");
	code = options->once || options->batch || options->json || dumb
	    ? run_batch(&source)
	    : top_run_screen(&source);
	top_source_fini(&source);
	return code;
}
