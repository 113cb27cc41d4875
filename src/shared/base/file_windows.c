/* SPDX-License-Identifier: MIT */
/* Who may read a file is said by its access control list. */
#include "config.h"

#include <winsock2.h>
#include <windows.h>

#include <aclapi.h>
#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <shlobj.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/winapi.h"

#define READS (FILE_READ_DATA | GENERIC_READ | GENERIC_ALL)

const char file_open_warning[] =
    "a file with a secret is open to others: icacls FILE /inheritance:r "
    "/grant *S-1-5-18:F *S-1-5-32-544:F *S-1-5-19:R";

/* What stands in front of the rest of the name, from the system itself: a service's environment need
 * not be everybody's. */
#define PROGRAM_DATA "%ProgramData%"

/* From malloc; NULL with errno. */
static wchar_t *
join(const wchar_t *folder, const char *rest)
{
	wchar_t *wide = winapi_wide(rest), *path;
	size_t n;

	if (wide == NULL)
		return NULL;
	n = wcslen(folder) + wcslen(wide) + 1;
	if ((path = malloc(n * sizeof(*path))) != NULL) {
		wcscpy(path, folder);
		wcscat(path, wide);
	}
	free(wide);
	return path;
}

/* The same with what the environment says for each %NAME%. */
static wchar_t *
expand(const char *name)
{
	wchar_t *wide = winapi_wide(name), *path = NULL;
	DWORD n;

	if (wide == NULL)
		return NULL;
	n = ExpandEnvironmentStringsW(wide, NULL, 0);
	if (n > 0 && (path = malloc(n * sizeof(*path))) != NULL)
		(void)ExpandEnvironmentStringsW(wide, path, n);
	free(wide);
	return path;
}

char *
file_path(const char *name)
{
	const size_t len = strlen(PROGRAM_DATA);
	wchar_t folder[MAX_PATH], *wide;
	char *path;

	if (_strnicmp(name, PROGRAM_DATA, len) == 0 &&
	    SHGetFolderPathW(NULL, CSIDL_COMMON_APPDATA, NULL, 0, folder) ==
		S_OK)
		wide = join(folder, name + len);
	else
		wide = expand(name);
	path = wide != NULL ? winapi_utf8(wide) : NULL;
	free(wide);
	return path;
}

int
file_open_read(const char *path)
{
	wchar_t *wide = winapi_wide(path);
	HANDLE handle;
	int fd;

	if (wide == NULL)
		return -1;
	/* who replaces the file meanwhile may */
	handle = CreateFileW(wide, GENERIC_READ,
	    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
	    OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
	free(wide);
	if (handle == INVALID_HANDLE_VALUE) {
		winapi_set_errno(GetLastError());
		return -1;
	}
	fd = _open_osfhandle(
	    (intptr_t)handle, _O_RDONLY | _O_BINARY | _O_NOINHERIT);
	if (fd < 0)
		CloseHandle(handle);
	return fd;
}

/* Does it stand for people whom nobody has chosen? */
static bool
is_crowd(PSID sid)
{
	static const WELL_KNOWN_SID_TYPE crowds[] = {WinWorldSid,
	    WinAnonymousSid, WinAuthenticatedUserSid, WinInteractiveSid,
	    WinNetworkSid, WinBuiltinUsersSid, WinBuiltinGuestsSid};

	for (size_t i = 0; i < sizeof(crowds) / sizeof(crowds[0]); i++)
		if (IsWellKnownSid(sid, crowds[i]))
			return true;
	return false;
}

static bool
lets_crowd_in(PACL acl)
{
	ACCESS_ALLOWED_ACE *ace;

	for (DWORD i = 0; i < acl->AceCount; i++)
		if (GetAce(acl, i, (void **)&ace) &&
		    ace->Header.AceType == ACCESS_ALLOWED_ACE_TYPE &&
		    !(ace->Header.AceFlags & INHERIT_ONLY_ACE) &&
		    (ace->Mask & READS) != 0 && is_crowd(&ace->SidStart))
			return true;
	return false;
}

bool
file_is_open_to_others(int fd)
{
	HANDLE handle = (HANDLE)_get_osfhandle(fd);
	PSECURITY_DESCRIPTOR descriptor;
	PACL acl;
	bool open;

	if (GetFileType(handle) != FILE_TYPE_DISK ||
	    GetSecurityInfo(handle, SE_FILE_OBJECT, DACL_SECURITY_INFORMATION,
		NULL, NULL, &acl, NULL, &descriptor) != ERROR_SUCCESS)
		return false;
	open = acl == NULL || lets_crowd_in(acl); /* none: open to all */
	LocalFree(descriptor);
	return open;
}
