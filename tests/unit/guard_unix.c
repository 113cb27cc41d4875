/* SPDX-License-Identifier: MIT */
#include "guard.h"

#include <sys/mman.h>
#include <unistd.h>

void *
guard_area(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *area = mmap(NULL, size + page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return area != MAP_FAILED && mprotect(area + size, page, PROT_NONE) == 0
	    ? area
	    : NULL;
}
