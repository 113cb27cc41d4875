/* SPDX-License-Identifier: MIT */
/*
 * The service runs as LocalService, which may do little more than use the network. The folder of
 * its files is that account's, the system's and the administrators', and nobody else's, because
 * secrets are in it.
 */
#include "config.h"

#include <winsock2.h>
#include <windows.h>

#include <aclapi.h>
#include <sddl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "agent/service_log_windows.h"
#include "agent/service_setup_windows.h"
#include "agent/service_windows.h"
#include "agent/settings.h"
#include "base/error_text.h"
#include "base/file.h"
#include "base/winapi.h"

#define ACCOUNT L"NT AUTHORITY\\LocalService"
#define DISPLAY_NAME L"taupe agent"
#define DESCRIPTION                                                            \
	L"Keeps a tunnel to a taupe relay, through which this machine's "      \
	L"services have a public name."
/* the administrators'; LocalService, the system, administrators: it and all that is made in it */
#define FOLDER_SDDL                                                            \
	L"O:BA"                                                                \
	L"D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1301bf;;;LS)"
#define COMMAND_MAX 8192
#define PATH_LEN_MAX 4096
#define RESET_S 3600 /* without a failure: they are counted anew */

static int
explain(const char *what, DWORD error, int result)
{
	fprintf(stderr, "taupe-agent: %s: %s\n", what,
	    error == ERROR_ACCESS_DENIED
		? "access is denied: run this as an administrator"
		: error_text(WINAPI_ERRNO + (int)error));
	return result;
}

/* ---- the command line ---- */

struct text {
	wchar_t at[COMMAND_MAX];
	size_t len;
	bool full;
};

static void
put(struct text *text, wchar_t c)
{
	if (text->len + 1 == COMMAND_MAX)
		text->full = true;
	else
		text->at[text->len++] = c;
	text->at[text->len] = L'\0';
}

/* Quoted so that CommandLineToArgvW() gives it back: backslashes count before a quote alone. */
static void
put_word(struct text *text, const wchar_t *word)
{
	size_t backslashes = 0;

	if (text->len > 0)
		put(text, L' ');
	put(text, L'"');
	for (; *word != L'\0'; word++) {
		if (*word == L'"')
			for (size_t i = 0; i <= backslashes; i++)
				put(text, L'\\');
		backslashes = *word == L'\\' ? backslashes + 1 : 0;
		put(text, *word);
	}
	while (backslashes-- > 0)
		put(text, L'\\');
	put(text, L'"');
}

static void
put_utf8(struct text *text, const char *word)
{
	wchar_t *wide = winapi_wide(word);

	if (wide == NULL)
		text->full = true;
	else
		put_word(text, wide);
	free(wide);
}

/* "C:\...\taupe-agent.exe" --service run OPTION... False: it is too long. */
static bool
compose(struct text *text, int argc, char **argv)
{
	static wchar_t program[PATH_LEN_MAX];
	DWORD len = GetModuleFileNameW(NULL, program, PATH_LEN_MAX);

	*text = (struct text){.len = 0};
	if (len == 0 || len == PATH_LEN_MAX)
		return false;
	put_word(text, program);
	put_word(text, L"--service");
	put_word(text, L"run");
	for (int i = 0; i < argc; i++)
		put_utf8(text, argv[i]);
	return !text->full;
}

/* ---- the folder ---- */

static int
explain_folder(DWORD error)
{
	return explain("the folder " TAUPE_STATEDIR " cannot be made", error,
	    error == ERROR_ACCESS_DENIED ? EX_NOPERM : EX_CANTCREAT);
}

static int
refuse_folder(const char *why)
{
	fprintf(stderr,
	    "taupe-agent: the folder %s %s: secrets are not safe in it: remove "
	    "it, and install the service again\n",
	    TAUPE_STATEDIR, why);
	return EX_NOPERM;
}

static bool
is_own_user(PSID sid)
{
	union {
		TOKEN_USER user;
		char room[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
	} own;
	DWORD len;
	HANDLE token;
	bool is;

	if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
		return false;
	is = GetTokenInformation(token, TokenUser, &own, sizeof(own), &len) &&
	    EqualSid(sid, own.user.User.Sid);
	CloseHandle(token);
	return is;
}

/* Whose folder it is may let others in again at any time. */
static int
check_owner(HANDLE folder)
{
	PSECURITY_DESCRIPTOR descriptor;
	PSID owner = NULL;
	DWORD error = GetSecurityInfo(folder, SE_FILE_OBJECT,
	    OWNER_SECURITY_INFORMATION, &owner, NULL, NULL, NULL, &descriptor);
	bool trusted;

	if (error != ERROR_SUCCESS)
		return explain_folder(error);
	trusted = owner != NULL &&
	    (IsWellKnownSid(owner, WinLocalSystemSid) ||
		IsWellKnownSid(owner, WinBuiltinAdministratorsSid) ||
		is_own_user(owner));
	LocalFree(descriptor);
	return trusted ? EX_OK
		       : refuse_folder("belongs to somebody who is no "
				       "administrator");
}

static int
check_folder(HANDLE folder)
{
	BY_HANDLE_FILE_INFORMATION info;

	if (!GetFileInformationByHandle(folder, &info))
		return explain_folder(GetLastError());
	if (info.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT)
		return refuse_folder("is a link to another place");
	if (!(info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY))
		return refuse_folder("is a file");
	return check_owner(folder);
}

static int
set_security(HANDLE folder, PSECURITY_DESCRIPTOR descriptor)
{
	BOOL present, defaulted;
	DWORD error;
	PSID owner;
	PACL acl;

	if (!GetSecurityDescriptorOwner(descriptor, &owner, &defaulted) ||
	    !GetSecurityDescriptorDacl(descriptor, &present, &acl, &defaulted))
		return explain_folder(GetLastError());
	error = SetSecurityInfo(folder, SE_FILE_OBJECT,
	    OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION |
		PROTECTED_DACL_SECURITY_INFORMATION,
	    owner, NULL, acl, NULL);
	return error == ERROR_SUCCESS ? EX_OK : explain_folder(error);
}

/* Who has put the configuration there before has made it as everybody may, and so may somebody
 * who is to have no part in it. What is looked at is what is changed: one handle. */
static int
take_folder(const wchar_t *path, PSECURITY_DESCRIPTOR descriptor)
{
	HANDLE folder = CreateFileW(path,
	    FILE_READ_ATTRIBUTES | READ_CONTROL | WRITE_DAC | WRITE_OWNER,
	    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
	    OPEN_EXISTING,
	    FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT, NULL);
	int result;

	if (folder == INVALID_HANDLE_VALUE)
		return explain_folder(GetLastError());
	if ((result = check_folder(folder)) == EX_OK)
		result = set_security(folder, descriptor);
	CloseHandle(folder);
	return result;
}

static int
make_folder(const wchar_t *path)
{
	SECURITY_ATTRIBUTES attributes = {.nLength = sizeof(attributes)};
	PSECURITY_DESCRIPTOR descriptor;
	int result = EX_OK;

	if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(
		FOLDER_SDDL, SDDL_REVISION_1, &descriptor, NULL))
		return explain_folder(GetLastError());
	attributes.lpSecurityDescriptor = descriptor;
	if (!CreateDirectoryW(path, &attributes))
		result = GetLastError() == ERROR_ALREADY_EXISTS
		    ? take_folder(path, descriptor)
		    : explain_folder(GetLastError());
	LocalFree(descriptor);
	return result;
}

static int
need_folder(void)
{
	char *path = file_path(TAUPE_STATEDIR);
	wchar_t *wide = path != NULL ? winapi_wide(path) : NULL;
	int result = wide != NULL ? make_folder(wide)
				  : explain_folder(ERROR_OUTOFMEMORY);

	free(wide);
	free(path);
	return result;
}

/* ---- the service ---- */

/* Begun anew after 5 seconds, then after 30, then each minute. */
static bool
set_failure_actions(SC_HANDLE service)
{
	SC_ACTION actions[] = {{SC_ACTION_RESTART, 5000},
	    {SC_ACTION_RESTART, 30000}, {SC_ACTION_RESTART, 60000}};
	SERVICE_FAILURE_ACTIONSW failure = {
	    .dwResetPeriod = RESET_S,
	    .cActions = sizeof(actions) / sizeof(actions[0]),
	    .lpsaActions = actions,
	};

	return ChangeServiceConfig2W(
	    service, SERVICE_CONFIG_FAILURE_ACTIONS, &failure);
}

/* An end with an error is a failure as well as a crash is, where the manager knows of that. */
static bool
set_failure_flag(SC_HANDLE service)
{
	SERVICE_FAILURE_ACTIONS_FLAG flag = {TRUE};

	return ChangeServiceConfig2W(
		   service, SERVICE_CONFIG_FAILURE_ACTIONS_FLAG, &flag) ||
	    GetLastError() == ERROR_INVALID_LEVEL;
}

static bool
describe(SC_HANDLE service)
{
	SERVICE_DESCRIPTIONW description = {
	    (wchar_t *)(void *)(uintptr_t)DESCRIPTION};

	return ChangeServiceConfig2W(
	    service, SERVICE_CONFIG_DESCRIPTION, &description);
}

static int
create(SC_HANDLE manager, const wchar_t *command)
{
	SC_HANDLE service = CreateServiceW(manager, SERVICE_NAME, DISPLAY_NAME,
	    SERVICE_ALL_ACCESS, SERVICE_WIN32_OWN_PROCESS, SERVICE_AUTO_START,
	    SERVICE_ERROR_NORMAL, command, NULL, NULL, L"Tcpip\0", ACCOUNT,
	    NULL);
	int result = EX_OK;

	if (service == NULL) {
		if (GetLastError() == ERROR_SERVICE_EXISTS) {
			fprintf(stderr,
			    "taupe-agent: the service is installed already: "
			    "taupe-agent --service remove takes it away\n");
			return EX_CANTCREAT;
		}
		return explain("the service cannot be installed",
		    GetLastError(), EX_CANTCREAT);
	}
	if (!describe(service) || !set_failure_actions(service) ||
	    !set_failure_flag(service)) {
		result = explain("the service cannot be set up", GetLastError(),
		    EX_SOFTWARE);
		(void)DeleteService(service);
	}
	CloseServiceHandle(service);
	return result;
}

int
service_setup_install(int argc, char **argv)
{
	static struct text command;
	SC_HANDLE manager;
	int result;

	if (!compose(&command, argc, argv)) {
		fprintf(stderr,
		    "taupe-agent: the service's command line is too long\n");
		return EX_USAGE;
	}
	manager = OpenSCManagerW(
	    NULL, NULL, SC_MANAGER_CONNECT | SC_MANAGER_CREATE_SERVICE);
	if (manager == NULL)
		return explain("the service manager cannot be reached",
		    GetLastError(),
		    GetLastError() == ERROR_ACCESS_DENIED ? EX_NOPERM
							  : EX_UNAVAILABLE);
	if ((result = need_folder()) == EX_OK)
		result = create(manager, command.at);
	CloseServiceHandle(manager);
	if (result != EX_OK)
		return result;
	service_log_register();
	printf("taupe-agent: the service is installed: its configuration is "
	       "%s, its log %s\\%s; taupe-agent --service start starts it\n",
	    argc > 0 ? "as given" : agent_option_table.default_file,
	    TAUPE_STATEDIR, SERVICE_LOG_NAME);
	return EX_OK;
}

void
service_setup_forget(void)
{
	service_log_unregister();
}
