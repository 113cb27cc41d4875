/* SPDX-License-Identifier: MIT */
/*
 * The file grows to FILE_MAX_BYTES, becomes agent.log.old, and begins anew. Others may read it and
 * move it meanwhile.
 */
#include "config.h"

#include <winsock2.h>
#include <windows.h>

#include <stdlib.h>
#include <string.h>

#include "agent/service_log_windows.h"
#include "agent/service_windows.h"
#include "base/file.h"
#include "base/log.h"
#include "base/winapi.h"

#define FILE_MAX_BYTES (4 << 20)
#define LINE_CHARS 2048
#define LINE_EVENT                                                             \
	1 /* of EventCreate.exe's texts, which are nothing but ours */
#define SOURCE_KEY                                                             \
	L"SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\"        \
	L"taupe-agent"
#define TEXTS L"%SystemRoot%\\System32\\EventCreate.exe"

static HANDLE file = INVALID_HANDLE_VALUE, source;
static wchar_t *path, *old_path;

static void
open_file(void)
{
	file = CreateFileW(path, FILE_APPEND_DATA,
	    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
	    OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
}

static void
rotate(void)
{
	LARGE_INTEGER bytes;

	if (!GetFileSizeEx(file, &bytes) || bytes.QuadPart < FILE_MAX_BYTES)
		return;
	CloseHandle(file);
	/* or else it grows on */
	(void)MoveFileExW(path, old_path, MOVEFILE_REPLACE_EXISTING);
	open_file();
}

static void
report(enum log_level level, const char *line, size_t len)
{
	wchar_t wide[LINE_CHARS];
	const wchar_t *texts[] = {wide};
	int n = MultiByteToWideChar(
	    CP_UTF8, 0, line, (int)len - 1, wide, LINE_CHARS - 1);

	wide[n] = L'\0';
	(void)ReportEventW(source,
	    level == LOG_LEVEL_ERROR ? EVENTLOG_ERROR_TYPE
				     : EVENTLOG_WARNING_TYPE,
	    0, LINE_EVENT, NULL, 1, 0, texts, NULL);
}

static void
write_cb(enum log_level level, const char *line, size_t len)
{
	DWORD done;

	if (file != INVALID_HANDLE_VALUE) {
		(void)WriteFile(file, line, (DWORD)len, &done, NULL);
		rotate();
	}
	if (source != NULL && level <= LOG_LEVEL_WARN)
		report(level, line, len);
}

static wchar_t *
path_of(const char *name)
{
	char *text = file_path(name);
	wchar_t *wide = text != NULL ? winapi_wide(text) : NULL;

	free(text);
	return wide;
}

void
service_log_begin(void)
{
	path = path_of(TAUPE_STATEDIR "\\" SERVICE_LOG_NAME);
	old_path = path_of(TAUPE_STATEDIR "\\" SERVICE_LOG_NAME ".old");
	source = RegisterEventSourceW(NULL, SERVICE_NAME);
	if (path != NULL && old_path != NULL)
		open_file();
	log_set_writer(write_cb);
	if (file == INVALID_HANDLE_VALUE)
		log_warn("the log cannot be opened",
		    LOG_S("file", TAUPE_STATEDIR "\\" SERVICE_LOG_NAME));
}

void
service_log_register(void)
{
	static const DWORD types = EVENTLOG_ERROR_TYPE | EVENTLOG_WARNING_TYPE |
	    EVENTLOG_INFORMATION_TYPE;
	HKEY key;

	/* without it the event log shows our line with a complaint before it */
	if (RegCreateKeyExW(HKEY_LOCAL_MACHINE, SOURCE_KEY, 0, NULL, 0,
		KEY_SET_VALUE, NULL, &key, NULL) != ERROR_SUCCESS)
		return;
	(void)RegSetValueExW(key, L"EventMessageFile", 0, REG_EXPAND_SZ,
	    (const BYTE *)TEXTS, sizeof(TEXTS));
	(void)RegSetValueExW(key, L"TypesSupported", 0, REG_DWORD,
	    (const BYTE *)&types, sizeof(types));
	RegCloseKey(key);
}

void
service_log_unregister(void)
{
	(void)RegDeleteKeyW(HKEY_LOCAL_MACHINE, SOURCE_KEY);
}
