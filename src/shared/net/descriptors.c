/* SPDX-License-Identifier: MIT */
/* RLIMIT_NOFILE. */
#include "config.h"

#include <sys/resource.h>

#include "net/descriptors.h"

size_t
descriptors_raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(
	    RLIMIT_NOFILE, &limit); /* what is left is what there was */
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 0;
	return limit.rlim_cur;
}
