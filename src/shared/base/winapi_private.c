/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <winsock2.h>
#include <windows.h>

#include <sddl.h>
#include <stdio.h>

#include "base/winapi.h"
#include "base/winapi_private.h"

#define SDDL_MAX 512

/* Who we are, as text for LocalFree(); NULL with GetLastError(). */
static wchar_t *
own_sid(void)
{
	union {
		TOKEN_USER user;
		unsigned char space[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
	} info;
	wchar_t *text = NULL;
	HANDLE token;
	DWORD len;

	if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
		return NULL;
	if (GetTokenInformation(token, TokenUser, &info, sizeof(info), &len) &&
	    !ConvertSidToStringSidW(info.user.User.Sid, &text))
		text = NULL;
	CloseHandle(token);
	return text;
}

PSECURITY_DESCRIPTOR
winapi_private_descriptor(void)
{
	PSECURITY_DESCRIPTOR descriptor = NULL;
	wchar_t sddl[SDDL_MAX], *sid = own_sid();

	if (sid == NULL)
		return NULL;
	snwprintf(
	    sddl, SDDL_MAX, L"D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;%ls)", sid);
	LocalFree(sid);
	return ConvertStringSecurityDescriptorToSecurityDescriptorW(
		   sddl, SDDL_REVISION_1, &descriptor, NULL)
	    ? descriptor
	    : NULL;
}

HANDLE
winapi_create_private(const wchar_t *path, DWORD share)
{
	SECURITY_ATTRIBUTES attributes = {.nLength = sizeof(attributes)};
	HANDLE file = INVALID_HANDLE_VALUE;

	attributes.lpSecurityDescriptor = winapi_private_descriptor();
	if (attributes.lpSecurityDescriptor != NULL)
		file = CreateFileW(path, GENERIC_WRITE, share, &attributes,
		    CREATE_NEW, FILE_FLAG_WRITE_THROUGH, NULL);
	if (file == INVALID_HANDLE_VALUE)
		winapi_set_errno(GetLastError());
	LocalFree(attributes.lpSecurityDescriptor);
	return file;
}
