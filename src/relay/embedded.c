/* SPDX-License-Identifier: MIT */
#include "relay/embedded.h"

#include <assert.h>
#include <string.h>

const struct embedded *
embedded_find(const char *name)
{
	const struct embedded *file = embedded_files;

	while (file->name != NULL && strcmp(file->name, name) != 0)
		file++;
	assert(file->name != NULL); /* each of ours was put in */
	return file;
}
