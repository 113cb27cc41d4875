/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <winsock2.h>
#include <windows.h>

#include <errno.h>
#include <stdlib.h>

#include "base/winapi.h"

wchar_t *
winapi_wide(const char *utf8)
{
	int n = MultiByteToWideChar(
	    CP_UTF8, MB_ERR_INVALID_CHARS, utf8, -1, NULL, 0);
	wchar_t *wide;

	if (n == 0) {
		errno = EINVAL;
		return NULL;
	}
	if ((wide = malloc((size_t)n * sizeof(*wide))) == NULL)
		return NULL;
	(void)MultiByteToWideChar(CP_UTF8, 0, utf8, -1, wide, n);
	return wide;
}

char *
winapi_utf8(const wchar_t *wide)
{
	int n = WideCharToMultiByte(CP_UTF8, 0, wide, -1, NULL, 0, NULL, NULL);
	char *utf8;

	if (n == 0) {
		errno = EINVAL;
		return NULL;
	}
	if ((utf8 = malloc((size_t)n)) == NULL)
		return NULL;
	(void)WideCharToMultiByte(CP_UTF8, 0, wide, -1, utf8, n, NULL, NULL);
	return utf8;
}

/* Those that somebody compares errno with. */
static const struct {
	DWORD error;
	int number;
} known[] = {
    {ERROR_FILE_NOT_FOUND, ENOENT},
    {ERROR_PATH_NOT_FOUND, ENOENT},
    {ERROR_BAD_PATHNAME, ENOENT},
    {ERROR_INVALID_NAME, ENOENT},
    {ERROR_ACCESS_DENIED, EACCES},
    {ERROR_NOT_ENOUGH_MEMORY, ENOMEM},
    {ERROR_OUTOFMEMORY, ENOMEM},
    {ERROR_FILE_EXISTS, EEXIST},
    {ERROR_ALREADY_EXISTS, EEXIST},
    {WSAEWOULDBLOCK, EAGAIN},
    {WSAEINPROGRESS, EINPROGRESS},
    {WSAEINTR, EINTR},
    {WSAECONNRESET, ECONNRESET},
    {WSAECONNABORTED, ECONNRESET},
};

void
winapi_set_errno(uint32_t error)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].error == error) {
			errno = known[i].number;
			return;
		}
	}
	errno = WINAPI_ERRNO + (int)error;
}
