/* SPDX-License-Identifier: MIT */
#include "admin/name_page.h"

#include <string.h>

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool
name_page_matches(const struct name_page *page, struct str text)
{
	size_t n = strlen(page->search);

	for (size_t i = 0; i + n <= text.len; i++) {
		size_t k = 0;

		while (k < n && lower(text.ptr[i + k]) == page->search[k])
			k++;
		if (k == n)
			return true;
	}
	return false;
}

/* The place of the first name that is not before this one. */
static size_t
place_of(const struct name_page *page, const char *name)
{
	size_t low = 0, high = page->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(page->names[middle], name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

long
name_page_find(const struct name_page *page, const char *name)
{
	size_t at = place_of(page, name);

	return at < page->count && strcmp(page->names[at], name) == 0 ? (long)at
								      : -1;
}

void
name_page_take(struct name_page *page, struct str text)
{
	char name[DEVICE_NAME_MAX + 1];
	size_t at;

	if (!str_copy(text, name, sizeof(name)) ||
	    strcmp(name, page->after) <= 0)
		return;
	at = place_of(page, name);
	if (at == page->limit) {
		page->more = true;
		return;
	}
	if (at < page->count && strcmp(page->names[at], name) == 0)
		return;
	if (page->count == page->limit)
		page->more = true; /* the last one goes */
	else
		page->count++;
	memmove(page->names[at + 1], page->names[at],
	    (page->count - at - 1) * sizeof(page->names[0]));
	memcpy(page->names[at], name, sizeof(name));
}
