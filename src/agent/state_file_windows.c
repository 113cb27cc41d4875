/* SPDX-License-Identifier: MIT */
/*
 * The state file, written with write-through and renamed over the old one, which NTFS journals.
 * Its access control list inherits nothing: the system, administrators and the account that
 * we run as.
 */
#include "config.h"

#include <winsock2.h>
#include <windows.h>

#include <aclapi.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/state_file.h"
#include "base/file.h"
#include "base/winapi.h"
#include "base/winapi_private.h"

#include <unistd.h>

#define PATH_LEN_MAX 4096
/* Virus scanners and indexers open what is new, and a file that is open cannot be replaced. */
#define RENAME_ATTEMPTS 10
#define RENAME_PAUSE_MS 10

static int
fail(void)
{
	winapi_set_errno(GetLastError());
	return -1;
}

static int
write_all(HANDLE file, const char *text, size_t len)
{
	DWORD done;

	return WriteFile(file, text, (DWORD)len, &done, NULL) && done == len
	    ? 0
	    : -1;
}

/* Make the file with this text, on the disk. -1 with errno: nothing is left of it. */
static int
make(const wchar_t *path, const char *text, size_t len)
{
	HANDLE file;
	int saved, result;

	/* what a crash left there may have another list */
	(void)DeleteFileW(path);
	if ((file = winapi_create_private(path, 0)) == INVALID_HANDLE_VALUE)
		return -1;
	result = write_all(file, text, len) == 0 &&
		write_all(file, "\n", 1) == 0 && FlushFileBuffers(file)
	    ? 0
	    : fail();
	if (!CloseHandle(file) && result == 0)
		result = fail();
	saved = errno;
	if (result != 0)
		(void)DeleteFileW(path);
	errno = saved;
	return result;
}

static int
rename_patiently(const wchar_t *from, const wchar_t *to)
{
	const DWORD flags = MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH;

	for (int i = 1; !MoveFileExW(from, to, flags); i++) {
		DWORD error = GetLastError();

		if (i == RENAME_ATTEMPTS ||
		    (error != ERROR_SHARING_VIOLATION &&
			error != ERROR_ACCESS_DENIED)) {
			winapi_set_errno(error);
			return -1;
		}
		Sleep(RENAME_PAUSE_MS);
	}
	return 0;
}

static int
replace(const wchar_t *fresh, const wchar_t *path, const char *text, size_t len)
{
	int saved;

	if (make(fresh, text, len) != 0)
		return -1;
	if (rename_patiently(fresh, path) == 0)
		return 0;
	saved = errno;
	(void)DeleteFileW(fresh);
	errno = saved;
	return -1;
}

int
state_file_write(const char *path, const char *text, size_t len)
{
	char name[PATH_LEN_MAX];
	wchar_t *wide, *fresh;
	int result = -1;

	if ((size_t)snprintf(name, sizeof(name), "%s.new", path) >=
	    sizeof(name)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	wide = winapi_wide(path);
	fresh = winapi_wide(name);
	if (wide != NULL && fresh != NULL)
		result = replace(fresh, wide, text, len);
	free(wide);
	free(fresh);
	return result;
}

int
state_file_look(const char *path, bool *open_to_others)
{
	int fd;

	if (state_file_is_free(path) == 1) {
		errno = ENOENT;
		return -1;
	}
	*open_to_others = false;
	if ((fd = file_open_read(path)) < 0)
		return 0; /* it is there, and closed even to us */
	*open_to_others = file_is_open_to_others(fd);
	close(fd);
	return 0;
}

static DWORD
set_private(wchar_t *path)
{
	PSECURITY_DESCRIPTOR descriptor = winapi_private_descriptor();
	BOOL present, defaulted;
	DWORD error;
	PACL acl;

	if (descriptor == NULL)
		return GetLastError();
	error =
	    GetSecurityDescriptorDacl(descriptor, &present, &acl, &defaulted)
	    ? SetNamedSecurityInfoW(path, SE_FILE_OBJECT,
		  DACL_SECURITY_INFORMATION |
		      PROTECTED_DACL_SECURITY_INFORMATION,
		  NULL, NULL, acl, NULL)
	    : GetLastError();
	LocalFree(descriptor);
	return error;
}

int
state_file_make_private(const char *path)
{
	wchar_t *wide = winapi_wide(path);
	DWORD error;

	if (wide == NULL)
		return -1;
	error = set_private(wide);
	free(wide);
	if (error == ERROR_SUCCESS)
		return 0;
	winapi_set_errno(error);
	return -1;
}

int
state_file_is_free(const char *path)
{
	wchar_t *wide = winapi_wide(path);
	int result;

	if (wide == NULL)
		return -1;
	if (GetFileAttributesW(wide) != INVALID_FILE_ATTRIBUTES)
		result = 0;
	else if ((result = fail()) == -1 && errno == ENOENT)
		result = 1;
	free(wide);
	return result;
}

int
state_file_rename(const char *path, const char *to)
{
	wchar_t *wide = winapi_wide(path), *wide_to = winapi_wide(to);
	int result = -1;

	if (wide != NULL && wide_to != NULL)
		result = rename_patiently(wide, wide_to);
	free(wide);
	free(wide_to);
	return result;
}

int
state_file_remove(const char *path)
{
	wchar_t *wide = winapi_wide(path);
	int result = -1;

	if (wide != NULL)
		result = DeleteFileW(wide) ? 0 : fail();
	free(wide);
	return result;
}
