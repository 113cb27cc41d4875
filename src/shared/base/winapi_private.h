/* SPDX-License-Identifier: MIT */
/*
 * Files that are nobody else's: their access control list inherits nothing, and has the system,
 * administrators and the account that we run as. For files *_windows.c alone, behind <windows.h>.
 */
#ifndef TAUPE_BASE_WINAPI_PRIVATE_H
#define TAUPE_BASE_WINAPI_PRIVATE_H

/* That list, for LocalFree(); NULL with GetLastError(). */
PSECURITY_DESCRIPTOR winapi_private_descriptor(void);
/* Make such a file, which is not there yet, to be written through; share: what others may do with it
 * meanwhile (FILE_SHARE_READ). INVALID_HANDLE_VALUE with errno. */
HANDLE winapi_create_private(const wchar_t *path, DWORD share);

#endif
