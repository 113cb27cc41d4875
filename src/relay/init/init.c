/* SPDX-License-Identifier: MIT */
/* The order of things: options, questions, the plan, what is in its way, the files, what comes next. */
#include "relay/init/init.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "net/process.h"
#include "relay/init/init_ask.h"
#include "relay/init/init_plan.h"
#include "relay/init/init_ports.h"
#include "relay/init/init_template.h"
#include "relay/init/init_write.h"

static unsigned
count_cores(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return cores < 1	      ? 1
	    : cores > INIT_RELAYS_MAX ? INIT_RELAYS_MAX
				      : (unsigned)cores;
}

static int
check_options(const struct init_options *options)
{
	const char *allowed;

	if (options->words.count == 0)
		return init_fail(EX_USAGE,
		    "the domain is missing: taupe-relay init example.com");
	if (options->words.count > 1)
		return init_fail(EX_USAGE,
		    "there is one domain: \"%s\" is too much",
		    options->words.items[1]);
	if ((allowed = init_check_domain(options->words.items[0])) != NULL)
		return init_fail(
		    EX_USAGE, "%.300s: %s", options->words.items[0], allowed);
	if (options->stand_alone && options->relays > 1)
		return init_fail(EX_USAGE,
		    "stand_alone is one relay: more need Redis, without "
		    "--stand-alone");
	if (options->key != NULL && options->certificate == NULL)
		return init_fail(
		    EX_USAGE, "key is given, and no certificate for it");
	return EX_OK;
}

/* Is this the first time? Afterwards our own programs may have the ports. */
static bool
is_first(const struct init_plan *plan)
{
	char *path = init_plan_config(plan, "relay-1.ini");
	bool first = path != NULL && access(path, F_OK) != 0;

	free(path);
	return first;
}

static void
warn(const struct init_plan *plan)
{
	if (plan->self_signed)
		printf("\nThe certificate is self-signed, for a first try: "
		       "browsers warn of it, and each agent needs\n"
		       "%s%s/ca.pem as its ca_file. Later: the same command "
		       "with --force --certificate FILE --key FILE\n",
		    plan->root, TAUPE_SYSCONFDIR);
	if (plan->wrong_names)
		printf("\nThe certificate is not for *.%s: browsers and agents "
		       "will refuse it.\n",
		    plan->domain);
	if (plan->expired)
		printf("\nThe certificate has expired, or is not valid yet: "
		       "browsers and agents will refuse it.\n");
}

static void
tell_by_hand(const struct init_plan *plan)
{
	const char *root = plan->root;

	if (!plan->options->stand_alone)
		printf("    redis-server %s/etc/redis/redis-taupe.conf &\n"
		       "    taupe-router --config %s%s/router.ini &\n",
		    root, root, TAUPE_SYSCONFDIR);
	else
		printf("    taupectl --config %s%s/taupectl.ini device add "
		       "alice --qr\n",
		    root, TAUPE_SYSCONFDIR);
	for (unsigned i = 1; i <= plan->relays; i++)
		printf("    taupe-relay --config %s%s/relay-%u.ini &\n", root,
		    TAUPE_SYSCONFDIR, i);
	if (plan->options->stand_alone)
		return;
	printf(
	    "    env $(grep -v '^#' %s/etc/haproxy/taupe.env) haproxy -db "
	    "-f %s/etc/haproxy/taupe.cfg &\n"
	    "    taupectl --config %s%s/taupectl.ini device add alice --qr\n",
	    root, root, root, TAUPE_SYSCONFDIR);
}

static void
tell_services(const struct init_plan *plan)
{
	if (plan->options->stand_alone) {
		printf("    taupectl device add alice --qr\n"
		       "    systemctl enable --now taupe-relay@1\n");
		return;
	}
	printf("    systemctl daemon-reload\n"
	       "    systemctl enable --now redis-server@taupe\n"
	       "    systemctl enable --now taupe-router\n"
	       "    systemctl enable --now");
	for (unsigned i = 1; i <= plan->relays; i++)
		printf(" taupe-relay@%u", i);
	printf("\n"
	       "    systemctl enable haproxy\n"
	       "    systemctl restart haproxy\n"
	       "    taupectl status\n"
	       "    taupectl device add alice --qr\n");
}

static void
tell_next(const struct init_plan *plan)
{
	warn(plan);
	printf("\nWhat comes next, in this order:\n\n");
	if (plan->root[0] != '\0')
		tell_by_hand(plan);
	else
		tell_services(plan);
	printf(
	    "\nWhat was left alone, and is yours to do: the names %s and *.%s "
	    "lead to this machine (DNS); a firewall\n"
	    "lets %s, %s and the ports %s in.\n",
	    plan->domain, plan->domain, plan->options->http_listen,
	    plan->options->https_listen, plan->options->public_ports);
	if (!plan->options->stand_alone)
		printf("The distribution's own Redis and "
		       "/etc/haproxy/haproxy.cfg are as they were.\n");
}

/* All of it, or nothing: ^C half way waits. */
static int
write_and_tell(const struct init_plan *plan)
{
	sigset_t before;
	int code;

	init_hold(&before);
	code = init_write(plan);
	if (code == EX_OK)
		tell_next(plan);
	fflush(stdout);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return code;
}

static int
run(struct init_options *options)
{
	struct init_plan plan = {.options = options};
	int code = check_options(options);

	if (code != EX_OK)
		return code;
	plan.domain = options->words.items[0];
	plan.root = options->root != NULL ? options->root : "";
	plan.relays = options->stand_alone ? 1
	    : options->relays > 0	   ? (unsigned)options->relays
					   : count_cores();
	code = init_ports_check(&plan);
	if (code == EX_OK && is_first(&plan))
		code = init_ports_probe(&plan);
	if (code == EX_OK)
		code = init_plan_make(&plan);
	if (code == EX_OK)
		code = write_and_tell(&plan);
	init_plan_free(&plan);
	return code;
}

int
init_main(int argc, char **argv)
{
	struct init_options options;
	int code;

	process_begin();
	switch (options_load(&init_option_table, argc, argv, &options)) {
	case OPTIONS_OK:
		break;
	case OPTIONS_EXIT:
		return EX_OK;
	case OPTIONS_ERROR:
		return EX_USAGE;
	}
	code = EX_OK;
	if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		code = init_ask(&options);
	if (code == EX_OK)
		code = run(&options);
	if (fflush(stdout) != 0 && code == EX_OK)
		code = init_fail(EX_IOERR, "the answer could not be written");
	options_free(&init_option_table, &options);
	return code;
}
