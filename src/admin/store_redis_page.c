/* SPDX-License-Identifier: MIT */
/*
 * A page of devices out of very many. The set of their names has no order and no index, and needs
 * none: Redis looks through a hundred thousand of them in some hundredths of a second, in steps
 * that let others have their turn.
 */
#include <stdio.h>
#include <string.h>

#include "admin/name_page.h"
#include "admin/store_redis.h"

#define STEP 5000 /* names that Redis looks at in one go */
#define PATTERN_MAX (4 * sizeof(((struct name_page *)NULL)->search) + 16)

/* The search as a glob, in capitals or not. False: no name and no label can contain it. */
static bool
write_pattern(
    const struct name_page *page, const char *prefix, char out[PATTERN_MAX])
{
	struct writer w;

	writer_init(&w, out, PATTERN_MAX - 1);
	writer_cstr(&w, prefix);
	writer_char(&w, '*');
	for (const char *c = page->search; *c != '\0'; c++) {
		if (*c >= 'a' && *c <= 'z') {
			writer_char(&w, '[');
			writer_char(&w, *c);
			writer_char(&w, (char)(*c - 'a' + 'A'));
			writer_char(&w, ']');
		} else if ((*c >= '0' && *c <= '9') || *c == '.' || *c == '-' ||
		    *c == '_') {
			writer_char(&w, *c);
		} else {
			return false;
		}
	}
	if (page->search[0] != '\0')
		writer_char(&w, '*');
	out[writer_len(&w)] = '\0';
	return true;
}

/* [cursor, [item, …]]: take each nth item. */
static int
take_step(struct admin *admin, const redisReply *reply, char cursor[32],
    size_t first, size_t step, struct name_page *page)
{
	const redisReply *items;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply->element[1]->type != REDIS_REPLY_ARRAY ||
	    !str_copy(redis_text(reply->element[0]), cursor, 32))
		return store_fail_nonsense(admin, "devices");
	items = reply->element[1];
	for (size_t i = first; i < items->elements; i += step)
		if (device_name_valid(redis_text(items->element[i])))
			name_page_take(page, redis_text(items->element[i]));
	return ADMIN_OK;
}

static int
scan(struct admin *admin, const char *command, const char *pattern,
    size_t first, size_t step, struct name_page *page)
{
	char cursor[32] = "0";
	int code;

	do {
		redisReply *reply =
		    store_ask(admin, &code, command, cursor, pattern, STEP);

		if (reply == NULL)
			return code;
		code = take_step(admin, reply, cursor, first, step, page);
		redis_sync_reply_free(&reply);
	} while (code == ADMIN_OK && strcmp(cursor, "0") != 0);
	return code;
}

/* Whose is this whole label, which may be the first part of a host's name? */
static int
take_holder(struct admin *admin, struct name_page *page)
{
	struct str label, rest;
	redisReply *reply;
	int code;

	(void)str_split(str_of(page->search), '.', &label, &rest);
	if (!label_valid(label))
		return ADMIN_OK;
	reply =
	    store_ask(admin, &code, "GET taupe:label:%b", label.ptr, label.len);
	if (reply == NULL)
		return code;
	if (device_name_valid(redis_text(reply)))
		name_page_take(page, redis_text(reply));
	redis_sync_reply_free(&reply);
	return ADMIN_OK;
}

static int
find_names(struct admin *admin, struct name_page *page)
{
	char pattern[PATTERN_MAX];
	int code;

	if (!write_pattern(page, "", pattern))
		return ADMIN_OK;
	code = scan(admin, "SSCAN taupe:devices %s MATCH %s COUNT %d", pattern,
	    0, 1, page);
	if (code != ADMIN_OK || page->search[0] == '\0')
		return code;
	(void)write_pattern(page, "label/", pattern);
	code = scan(admin, "HSCAN taupe:reserved %s MATCH %s COUNT %d", pattern,
	    1, 2, page);
	return code == ADMIN_OK ? take_holder(admin, page) : code;
}

int
redis_device_page(struct admin *admin, struct name_page *page, json_t *list)
{
	json_t *names = json_array();
	int code = find_names(admin, page);

	for (size_t i = 0; i < page->count; i++)
		json_array_append_new(names, json_string(page->names[i]));
	if (code == ADMIN_OK)
		code = redis_devices_named(admin, names, list);
	json_decref(names);
	return code;
}
