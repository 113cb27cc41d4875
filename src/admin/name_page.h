/* SPDX-License-Identifier: MIT */
/*
 * A page of names out of very many that come in any order, some of them twice: the first ones
 * in order behind a given name, among those that contain a text. It keeps no more than the page.
 */
#ifndef TAUPE_ADMIN_NAME_PAGE_H
#define TAUPE_ADMIN_NAME_PAGE_H

#include "base/device_record.h"

#define NAME_PAGE_MAX 500

struct name_page {
	size_t limit;                    /* 1 to NAME_PAGE_MAX */
	char after[DEVICE_NAME_MAX + 1]; /* "": from the beginning */
	char search[64];                 /* in lower case; "": all */

	size_t count;
	bool more; /* there are others behind them */
	char names[NAME_PAGE_MAX][DEVICE_NAME_MAX + 1]; /* in order */
};

/* Does the text contain what is searched for, in capitals or not? */
bool name_page_matches(const struct name_page *page, struct str text);
/* Its place on the page; -1: it has none. */
long name_page_find(const struct name_page *page, const char *name);
/* Take a name in, if it belongs here, whatever is searched for. */
void name_page_take(struct name_page *page, struct str name);

#endif
