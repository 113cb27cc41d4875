/* SPDX-License-Identifier: MIT */
/* The files of the tree that a first configuration begins with, and the dashboard, as they are: build-aux/embed puts
 * them into the program, so that it needs nothing beside it and they are of its version. */
#ifndef TAUPE_RELAY_EMBEDDED_H
#define TAUPE_RELAY_EMBEDDED_H

#include <stddef.h>

struct embedded {
	const char *name; /* "haproxy/haproxy.cfg"; NULL behind the last */
	const char *text; /* without a NUL at its end */
	size_t len;
};

extern const struct embedded embedded_files[];

/* One of them, which was put in. */
const struct embedded *embedded_find(const char *name);

#endif
