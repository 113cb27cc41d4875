/* SPDX-License-Identifier: MIT */
/*
 * What every file that speaks to Windows needs: its UTF-16 from and to our UTF-8, and its error
 * numbers within errno. For files *_windows.c alone.
 */
#ifndef TAUPE_BASE_WINAPI_H
#define TAUPE_BASE_WINAPI_H

#include <stdint.h>
#include <wchar.h>

/* errno is one of Windows' numbers, and not C's, from here on. */
#define WINAPI_ERRNO 0x10000

/* From malloc; NULL with errno: no memory, or no UTF-8. */
wchar_t *winapi_wide(const char *utf8);
char *winapi_utf8(const wchar_t *wide);

/* Set errno to what a number of GetLastError() or WSAGetLastError() says: C's own number where
 * callers ask for that, WINAPI_ERRNO + error elsewhere. */
void winapi_set_errno(uint32_t error);

#endif
