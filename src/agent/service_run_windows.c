/* SPDX-License-Identifier: MIT */
/*
 * Between the service manager and the agent: what the manager asks becomes a request, and what has
 * become of it is told truthfully: running when the agent has started, and stopped with its exit
 * code. While it says goodbye, a thread tells that it is still at it.
 */
#include "config.h"

#include <winsock2.h>
#include <windows.h>

#include <pthread.h>
#include <stdio.h>
#include <sysexits.h>

#include "agent/agent.h"
#include "agent/service_log_windows.h"
#include "agent/service_windows.h"
#include "base/log.h"
#include "net/requests.h"

#define PROGRESS_MS 1000 /* how often it is told while something is pending */
#define HINT_MS 10000	 /* how long the manager shall wait for the next time */
#define ACCEPTED                                                               \
	(SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN |                       \
	    SERVICE_ACCEPT_PARAMCHANGE)

static struct {
	int argc;
	char **argv;
	int result;
	SERVICE_STATUS_HANDLE handle;
	pthread_mutex_t lock; /* of what follows */
	SERVICE_STATUS status;
	HANDLE stopping; /* an event: it was told to */
	HANDLE stopped;	 /* an event: the agent has ended */
} service = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void
tell(DWORD state, int result)
{
	bool pending =
	    state == SERVICE_START_PENDING || state == SERVICE_STOP_PENDING;

	pthread_mutex_lock(&service.lock);
	/* a stop that was begun is not taken back */
	if (service.status.dwCurrentState != SERVICE_STOP_PENDING ||
	    state == SERVICE_STOPPED || state == SERVICE_STOP_PENDING) {
		service.status.dwCheckPoint =
		    pending ? service.status.dwCheckPoint + 1 : 0;
		service.status.dwCurrentState = state;
		service.status.dwServiceType = SERVICE_WIN32_OWN_PROCESS;
		service.status.dwWaitHint = pending ? HINT_MS : 0;
		service.status.dwControlsAccepted =
		    state == SERVICE_RUNNING ? ACCEPTED : 0;
		service.status.dwWin32ExitCode =
		    result == EX_OK ? NO_ERROR : ERROR_SERVICE_SPECIFIC_ERROR;
		service.status.dwServiceSpecificExitCode = (DWORD)result;
		(void)SetServiceStatus(service.handle, &service.status);
	}
	pthread_mutex_unlock(&service.lock);
}

static void *
progress_main(void *arg)
{
	HANDLE either[] = {service.stopping, service.stopped};

	if (WaitForMultipleObjects(2, either, FALSE, INFINITE) == WAIT_OBJECT_0)
		while (WaitForSingleObject(service.stopped, PROGRESS_MS) ==
		    WAIT_TIMEOUT)
			tell(SERVICE_STOP_PENDING, EX_OK);
	return arg;
}

static void
running_cb(void)
{
	tell(SERVICE_RUNNING, EX_OK);
}

static void
stop(void)
{
	tell(SERVICE_STOP_PENDING, EX_OK);
	SetEvent(service.stopping);
	requests_raise(REQUEST_STOP);
}

static DWORD WINAPI
control_cb(DWORD control, DWORD type, void *data, void *ctx)
{
	(void)type;
	(void)data;
	(void)ctx;
	switch (control) {
	case SERVICE_CONTROL_STOP:
		stop();
		return NO_ERROR;
	case SERVICE_CONTROL_SHUTDOWN:
		stop();
		requests_raise(REQUEST_STOP); /* it does not wait for visits */
		return NO_ERROR;
	case SERVICE_CONTROL_PARAMCHANGE:
		requests_raise(REQUEST_RELOAD);
		return NO_ERROR;
	case SERVICE_CONTROL_INTERROGATE:
		return NO_ERROR;
	default:
		return ERROR_CALL_NOT_IMPLEMENTED;
	}
}

static void WINAPI
begin_cb(DWORD argc, wchar_t **argv)
{
	pthread_t progress;
	bool has_progress;

	(void)argc;
	(void)argv;
	service.handle =
	    RegisterServiceCtrlHandlerExW(SERVICE_NAME, control_cb, NULL);
	if (service.handle == NULL)
		return;
	tell(SERVICE_START_PENDING, EX_OK);
	service.stopping = CreateEventW(NULL, TRUE, FALSE, NULL);
	service.stopped = CreateEventW(NULL, TRUE, FALSE, NULL);
	service_log_begin();
	has_progress = service.stopping != NULL && service.stopped != NULL &&
	    pthread_create(&progress, NULL, progress_main, NULL) == 0;
	service.result = agent_main(service.argc, service.argv, running_cb);
	if (has_progress) {
		SetEvent(service.stopped);
		pthread_join(progress, NULL);
	}
	tell(SERVICE_STOPPED, service.result);
}

int
service_run(int argc, char **argv)
{
	wchar_t name[] = SERVICE_NAME;
	const SERVICE_TABLE_ENTRYW table[] = {{name, begin_cb}, {NULL, NULL}};

	service.argc = argc;
	service.argv = argv;
	requests_ignore_console();
	if (StartServiceCtrlDispatcherW(table))
		return service.result;
	fprintf(stderr,
	    "taupe-agent: only the service manager runs it so: taupe-agent "
	    "--service start\n");
	return EX_USAGE;
}
