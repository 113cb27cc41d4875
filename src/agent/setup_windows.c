/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <winsock2.h>
#include <windows.h>

#include <stdio.h>
#include <string.h>

#include "agent/setup.h"

int
setup_read_line(char *out, size_t cap)
{
	if (fgets(out, (int)cap, stdin) == NULL || strlen(out) == cap - 1)
		return -1;
	out[strcspn(out, "\r\n")] = '\0';
	return 0;
}

/* The service runs as the system, which state_file_write() lets read. */
int
setup_give(const char *path)
{
	(void)path;
	return 0;
}

/* In a thread of its own, with which the process does not wait to end. Of a window that was closed the system
 * waits for us some seconds. */
static BOOL WINAPI
end_cb(DWORD event)
{
	(void)event;
	Sleep(INFINITE);
	return TRUE;
}

int
setup_undisturbed(int (*work)(void *ctx), void *ctx)
{
	int result;

	(void)SetConsoleCtrlHandler(end_cb, TRUE);
	result = work(ctx);
	(void)SetConsoleCtrlHandler(end_cb, FALSE);
	return result;
}
