/* SPDX-License-Identifier: MIT */
/* C's own errors have C's text. Of the sockets' the C library of old Windows knows none: those
 * and the system's come from FormatMessage, in English, as the rest of each line is. */
#include "config.h"

#include <winsock2.h>
#include <windows.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error_text.h"
#include "base/winapi.h"

#define TEXT_MAX 256

static const struct {
	int number;
	DWORD error;
} sockets[] = {
    {ECONNRESET, WSAECONNRESET},
    {ECONNREFUSED, WSAECONNREFUSED},
    {ECONNABORTED, WSAECONNABORTED},
    {ETIMEDOUT, WSAETIMEDOUT},
    {ENETUNREACH, WSAENETUNREACH},
    {EHOSTUNREACH, WSAEHOSTUNREACH},
    {EINPROGRESS, WSAEINPROGRESS},
    {EWOULDBLOCK, WSAEWOULDBLOCK},
    {ENOTCONN, WSAENOTCONN},
    {ENOBUFS, WSAENOBUFS},
    {EAFNOSUPPORT, WSAEAFNOSUPPORT},
    {EADDRINUSE, WSAEADDRINUSE},
    {EADDRNOTAVAIL, WSAEADDRNOTAVAIL},
};

/* Windows' number; 0: C knows the error itself. */
static DWORD
system_error(int error)
{
	if (error >= WINAPI_ERRNO)
		return (DWORD)(error - WINAPI_ERRNO);
	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++)
		if (sockets[i].number == error)
			return sockets[i].error;
	return 0;
}

static DWORD
format(DWORD error, DWORD language, wchar_t out[TEXT_MAX])
{
	return FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM |
		FORMAT_MESSAGE_IGNORE_INSERTS | FORMAT_MESSAGE_MAX_WIDTH_MASK,
	    NULL, error, language, out, TEXT_MAX, NULL);
}

const char *
error_text(int error)
{
	static _Thread_local char text[3 * TEXT_MAX];
	wchar_t wide[TEXT_MAX];
	DWORD number = system_error(error);
	size_t len;

	if (number == 0)
		return strerror(error);
	/* zero: the language of the machine, where there is no English */
	if (format(number, MAKELANGID(LANG_ENGLISH, SUBLANG_ENGLISH_US),
		wide) == 0 &&
	    format(number, 0, wide) == 0) {
		snprintf(text, sizeof(text), "Windows error %lu",
		    (unsigned long)number);
		return text;
	}
	if (WideCharToMultiByte(
		CP_UTF8, 0, wide, -1, text, sizeof(text), NULL, NULL) == 0)
		text[0] = '\0';
	len = strlen(text);
	while (len > 0 && strchr(" .\r\n", text[len - 1]) != NULL)
		text[--len] = '\0';
	return text;
}
