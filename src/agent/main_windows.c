/* SPDX-License-Identifier: MIT */
/* taupe-agent.exe: the agent at a console, or what has to do with the service. */
#include "config.h"

#include <winsock2.h>
#include <windows.h>

#include <shellapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "agent/agent.h"
#include "agent/service_windows.h"
#include "base/winapi.h"

/* The command line in UTF-8, from malloc, NULL at its end; main() gets it in the code page. NULL:
 * no memory. It lives as long as the process. */
static char **
arguments(int *argc)
{
	wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), argc);
	char **argv =
	    wide != NULL ? calloc((size_t)*argc + 1, sizeof(*argv)) : NULL;

	for (int i = 0; argv != NULL && i < *argc; i++)
		if ((argv[i] = winapi_utf8(wide[i])) == NULL)
			argv = NULL;
	LocalFree(wide);
	return argv;
}

static bool
asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 ||
		    strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

int
main(void)
{
	int argc, result;
	char **argv = arguments(&argc);

	if (argv == NULL) {
		fprintf(stderr, "taupe-agent: not enough memory\n");
		return EX_OSERR;
	}
	if (argc > 1 && strcmp(argv[1], "--service") == 0)
		return service_main(argc, argv);
	result = agent_main(argc, argv, NULL);
	if (asks_for_help(argc, argv))
		service_print_help();
	return result;
}
