/* SPDX-License-Identifier: MIT */
#include "guard.h"

#include <windows.h>

#define PAGE 4096

void *
guard_area(size_t size)
{
	char *area = VirtualAlloc(
	    NULL, size + PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	DWORD before;

	return area != NULL &&
		VirtualProtect(area + size, PAGE, PAGE_NOACCESS, &before)
	    ? area
	    : NULL;
}
