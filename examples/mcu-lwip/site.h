/* SPDX-License-Identifier: MIT */
/* What a visitor sees: this is the file to change first. */
#ifndef SITE_H
#define SITE_H

#include <stdint.h>

#include "text.h"

#define SITE_ERROR_TYPE "text/html; charset=utf-8"

/* What an answer shows, as it was when the request came. */
struct site_moment {
	uint32_t visitors;
	uint32_t uptime_s;
	int32_t temperature; /* thousandths of a degree */
};

struct site_page {
	const char *path, *type;
	void (*write)(const struct site_moment *moment, struct text *t);
};

/* NULL: there is no such page. */
const struct site_page *site_find(const char *path);
/* Somebody looks at the page: the first one counts. */
void site_look(const struct site_page *page, struct site_moment *moment);
void site_write_error(unsigned status, const char *phrase, struct text *t);
/* For the page's heading; kept, not copied. */
void site_set_name(const char *device_name);

#endif
