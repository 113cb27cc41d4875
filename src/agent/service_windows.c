/* SPDX-License-Identifier: MIT */
/* The service as an administrator handles it: from a console, by the service manager. */
#include "config.h"

#include <winsock2.h>
#include <windows.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "agent/service_log_windows.h"
#include "agent/service_setup_windows.h"
#include "agent/service_windows.h"
#include "base/error_text.h"
#include "base/winapi.h"

#define POLL_MS 100
#define WAIT_MS                                                                \
	60000	     /* for a change of its state, while it makes no progress */
#define EX_STOPPED 3 /* of status: as an init script's */

static int
explain(const char *what, DWORD error, int result)
{
	fprintf(stderr, "taupe-agent: %s: %s\n", what,
	    error == ERROR_ACCESS_DENIED
		? "access is denied: run this as an administrator"
		: error_text(WINAPI_ERRNO + (int)error));
	return result;
}

/* EX_OK, or an exit code; what is wrong was said. */
static int
open_service(DWORD rights, SC_HANDLE *service)
{
	SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
	DWORD error = 0;

	if (manager == NULL)
		return explain("the service manager cannot be reached",
		    GetLastError(), EX_UNAVAILABLE);
	*service = OpenServiceW(manager, SERVICE_NAME, rights);
	if (*service == NULL)
		error = GetLastError();
	CloseServiceHandle(manager);
	if (*service != NULL)
		return EX_OK;
	if (error == ERROR_SERVICE_DOES_NOT_EXIST) {
		fprintf(stderr,
		    "taupe-agent: the service is not installed: taupe-agent "
		    "--service install\n");
		return EX_UNAVAILABLE;
	}
	return explain("the service cannot be opened", error,
	    error == ERROR_ACCESS_DENIED ? EX_NOPERM : EX_UNAVAILABLE);
}

static bool
ask_state(SC_HANDLE service, SERVICE_STATUS *status)
{
	if (QueryServiceStatus(service, status))
		return true;
	(void)explain("the service's state is not known", GetLastError(), 0);
	return false;
}

/* Wait until it is in no passing state any more. An exit code: whether it is in `wanted` then. */
static int
await(SC_HANDLE service, DWORD passing, DWORD wanted, const char *otherwise)
{
	SERVICE_STATUS status;
	DWORD waited_ms = 0, seen = 0;

	for (;;) {
		if (!ask_state(service, &status))
			return EX_SOFTWARE;
		if (status.dwCurrentState != passing || waited_ms >= WAIT_MS)
			break;
		waited_ms =
		    status.dwCheckPoint == seen ? waited_ms + POLL_MS : 0;
		seen = status.dwCheckPoint;
		Sleep(POLL_MS);
	}
	if (status.dwCurrentState == wanted)
		return EX_OK;
	fprintf(stderr, "taupe-agent: %s: see %%ProgramData%%\\taupe\\%s\n",
	    otherwise, SERVICE_LOG_NAME);
	return EX_SOFTWARE;
}

static int
start(void)
{
	SC_HANDLE service;
	int result =
	    open_service(SERVICE_START | SERVICE_QUERY_STATUS, &service);

	if (result != EX_OK)
		return result;
	if (StartServiceW(service, 0, NULL) ||
	    GetLastError() == ERROR_SERVICE_ALREADY_RUNNING)
		result = await(service, SERVICE_START_PENDING, SERVICE_RUNNING,
		    "the service has not started");
	else
		result = explain("the service cannot be started",
		    GetLastError(), EX_SOFTWARE);
	CloseServiceHandle(service);
	return result;
}

/* EX_OK when it is stopped, or was already. */
static int
stop_open(SC_HANDLE service)
{
	SERVICE_STATUS status;

	if (ControlService(service, SERVICE_CONTROL_STOP, &status))
		return await(service, SERVICE_STOP_PENDING, SERVICE_STOPPED,
		    "the service has not stopped");
	if (GetLastError() == ERROR_SERVICE_NOT_ACTIVE)
		return EX_OK;
	return explain(
	    "the service cannot be stopped", GetLastError(), EX_SOFTWARE);
}

static int
stop(void)
{
	SC_HANDLE service;
	int result =
	    open_service(SERVICE_STOP | SERVICE_QUERY_STATUS, &service);

	if (result != EX_OK)
		return result;
	result = stop_open(service);
	CloseServiceHandle(service);
	return result;
}

static int
restart(void)
{
	int result = stop();

	return result == EX_OK ? start() : result;
}

static int
reload(void)
{
	SERVICE_STATUS status;
	SC_HANDLE service;
	int result = open_service(SERVICE_PAUSE_CONTINUE, &service);

	if (result != EX_OK)
		return result;
	if (!ControlService(service, SERVICE_CONTROL_PARAMCHANGE, &status))
		result = explain("the service cannot be told to read its "
				 "configuration again",
		    GetLastError(), EX_SOFTWARE);
	CloseServiceHandle(service);
	return result;
}

static const char *
state_name(DWORD state)
{
	switch (state) {
	case SERVICE_STOPPED:
		return "stopped";
	case SERVICE_START_PENDING:
		return "starting";
	case SERVICE_STOP_PENDING:
		return "stopping";
	case SERVICE_RUNNING:
		return "running";
	default:
		return "in a state that it should not be in";
	}
}

static int
show_status(void)
{
	SERVICE_STATUS status;
	SC_HANDLE service;
	int result = open_service(SERVICE_QUERY_STATUS, &service);

	if (result != EX_OK)
		return result;
	result = EX_UNAVAILABLE;
	if (ask_state(service, &status)) {
		printf("taupe-agent: the service is %s\n",
		    state_name(status.dwCurrentState));
		result = status.dwCurrentState == SERVICE_RUNNING ? EX_OK
								  : EX_STOPPED;
	}
	CloseServiceHandle(service);
	return result;
}

static int
remove_service(void)
{
	SC_HANDLE service;
	int result = open_service(
	    SERVICE_STOP | SERVICE_QUERY_STATUS | DELETE, &service);

	if (result != EX_OK)
		return result;
	if ((result = stop_open(service)) == EX_OK && !DeleteService(service))
		result = explain("the service cannot be removed",
		    GetLastError(), EX_SOFTWARE);
	CloseServiceHandle(service);
	if (result == EX_OK) {
		service_setup_forget();
		printf("taupe-agent: the service is removed; its files stay "
		       "in %%ProgramData%%\\taupe\n");
	}
	return result;
}

/* ---- what can be asked for ---- */

static const struct {
	const char *name;
	int (*run)(void);
	const char *help;
} verbs[] = {
    {"start", start, "Start it, and wait until it runs."},
    {"stop", stop, "Let it say goodbye, and wait until it has stopped."},
    {"restart", restart, "Stop it, and start it."},
    {"reload", reload, "Have it read its configuration again."},
    {"status", show_status, "Say whether it runs (0), or not (3)."},
    {"remove", remove_service,
	"Stop and remove it; configuration, state and log stay."},
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

void
service_print_help(void)
{
	printf(
	    "  --service WHAT [OPTION]...\n"
	    "          As the first option: the agent as a Windows service, "
	    "as an administrator.\n"
	    "          install   Install it: it starts with Windows and after "
	    "failures, as\n"
	    "                    LocalService, with the options that follow "
	    "(such as --config).\n");
	for (size_t i = 0; i < VERBS; i++)
		printf("          %-9s %s\n", verbs[i].name, verbs[i].help);
}

int
service_main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[2] : "";

	if (strcmp(verb, "run") == 0) {
		argv[2] = argv[0];
		return service_run(argc - 2, argv + 2);
	}
	if (strcmp(verb, "install") == 0)
		return service_setup_install(argc - 3, argv + 3);
	for (size_t i = 0; i < VERBS && argc == 3; i++)
		if (strcmp(verbs[i].name, verb) == 0)
			return verbs[i].run();
	fprintf(stderr,
	    "taupe-agent: --service %s: allowed: install [OPTION]..., start, "
	    "stop, restart, reload, status or remove\n",
	    verb);
	return EX_USAGE;
}
