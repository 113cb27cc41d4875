/* SPDX-License-Identifier: MIT */
/* Windows draws an id when it is installed, and a copied image draws another (sysprep). */
#include "config.h"

#include <winsock2.h>
#include <windows.h>

#include <string.h>

#include "agent/device_name.h"

#define KEY L"SOFTWARE\\Microsoft\\Cryptography"
#define VALUE L"MachineGuid"
#define GUID_LEN 36

bool
device_name_of_machine(char name[DERIVED_NAME_LEN + 1])
{
	wchar_t wide[DEVICE_ID_MAX];
	char id[DEVICE_ID_MAX];
	DWORD bytes = sizeof(wide);

	if (RegGetValueW(HKEY_LOCAL_MACHINE, KEY, VALUE, RRF_RT_REG_SZ, NULL,
		wide, &bytes) != ERROR_SUCCESS ||
	    WideCharToMultiByte(
		CP_UTF8, 0, wide, -1, id, sizeof(id), NULL, NULL) == 0 ||
	    strlen(id) != GUID_LEN)
		return false;
	device_name_of(id, name);
	return true;
}

const char *
device_name_missing(void)
{
	return "name is not set, and cannot be derived: this Windows has no "
	       "MachineGuid";
}
