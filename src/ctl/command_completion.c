/* SPDX-License-Identifier: MIT */
/* The scripts of packaging/completion, for who has no package that installs them. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "ctl/completion_scripts.h"
#include "ctl/ctl.h"

static const char *const programs[] = {
    "taupectl", "taupe-agent", "taupe-relay", "taupe-router"};

/* The name of the program as one of a function: hyphens are none there. */
static void
print_function(const char *program)
{
	for (; *program != '\0'; program++)
		putchar(*program == '-' ? '_' : *program);
}

/* A script with its two marks filled in. */
static void
print_script(const char *script, const char *program)
{
	static const char program_mark[] = "@PROGRAM@",
			  function_mark[] = "@FUNCTION@";

	while (*script != '\0') {
		if (strncmp(script, program_mark, strlen(program_mark)) == 0) {
			fputs(program, stdout);
			script += strlen(program_mark);
		} else if (strncmp(script, function_mark,
			       strlen(function_mark)) == 0) {
			print_function(program);
			script += strlen(function_mark);
		} else {
			putchar(*script++);
		}
	}
}

int
command_completion(struct ctl *ctl, const char *name)
{
	static const struct {
		const char *shell, *script;
	} shells[] = {
	    {"bash", completion_bash},
	    {"zsh", completion_zsh},
	    {"fish", completion_fish},
	};

	(void)ctl;
	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
		if (strcmp(name, shells[i].shell) != 0)
			continue;
		for (size_t k = 0; k < sizeof(programs) / sizeof(programs[0]);
		     k++)
			print_script(shells[i].script, programs[k]);
		return EX_OK;
	}
	return ctl_fail(EX_USAGE,
	    "there is no completion for %s: allowed are bash, zsh and fish",
	    name);
}
