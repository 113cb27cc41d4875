/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "agent/setup.h"

int
setup_read_line(char *out, size_t cap)
{
	if (fgets(out, (int)cap, stdin) == NULL || strlen(out) == cap - 1)
		return -1;
	out[strcspn(out, "\r\n")] = '\0';
	return 0;
}

/* The service runs as the system, which state_file_write() lets read. */
int
setup_give(const char *path)
{
	(void)path;
	return 0;
}
