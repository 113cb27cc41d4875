/* SPDX-License-Identifier: MIT */
#include "admin/name_index.h"

#include <stdlib.h>
#include <string.h>

#define STEP 10000 /* names that Redis looks at in one go */

struct names {
	char *text; /* each with its NUL */
	size_t len, cap;
};

struct name_index {
	struct admin admin; /* with the connection that watches */
	bool loaded;
	struct names names; /* of devices */
	struct names
	    labels; /* a label, and the device that it is reserved for */
};

static bool
append(struct names *names, struct str text)
{
	if (names->cap - names->len <= text.len) {
		size_t cap = names->cap + names->cap / 2 + 65536;
		char *grown = realloc(names->text, cap);

		if (grown == NULL)
			return false;
		names->text = grown;
		names->cap = cap;
	}
	memcpy(names->text + names->len, text.ptr, text.len);
	names->len += text.len;
	names->text[names->len++] = '\0';
	return true;
}

/* The next one; false: there is none. */
static bool
next(const struct names *names, size_t *at, struct str *text)
{
	if (*at == names->len)
		return false;
	*text = str_of(names->text + *at);
	*at += text->len + 1;
	return true;
}

/* [cursor, [name, …]] */
static int
take_names(struct name_index *index, const redisReply *items)
{
	for (size_t i = 0; i < items->elements; i++) {
		struct str name = redis_text(items->element[i]);

		if (device_name_valid(name) && !append(&index->names, name))
			return admin_fail_memory(&index->admin);
	}
	return ADMIN_OK;
}

/* [cursor, ["label/LABEL", name, …]] */
static int
take_labels(struct name_index *index, const redisReply *items)
{
	const struct str prefix = STR("label/");

	for (size_t i = 0; i + 1 < items->elements; i += 2) {
		struct str label = redis_text(items->element[i]),
			   name = redis_text(items->element[i + 1]);

		if (label.len <= prefix.len ||
		    memcmp(label.ptr, prefix.ptr, prefix.len) != 0 ||
		    !device_name_valid(name))
			continue;
		label.ptr += prefix.len;
		label.len -= prefix.len;
		if (!label_valid(label))
			continue;
		if (!append(&index->labels, label) ||
		    !append(&index->labels, name))
			return admin_fail_memory(&index->admin);
	}
	return ADMIN_OK;
}

static int
scan(struct name_index *index, const char *command,
    int (*take)(struct name_index *index, const redisReply *items))
{
	char cursor[32] = "0";
	int code;

	do {
		redisReply *reply =
		    store_ask(&index->admin, &code, command, cursor, STEP);

		if (reply == NULL)
			return code;
		if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
		    reply->element[1]->type != REDIS_REPLY_ARRAY ||
		    !str_copy(
			redis_text(reply->element[0]), cursor, sizeof(cursor)))
			code = store_fail_nonsense(&index->admin, "devices");
		else
			code = take(index, reply->element[1]);
		redis_sync_reply_free(&reply);
	} while (code == ADMIN_OK && strcmp(cursor, "0") != 0);
	return code;
}

/* What is touched from here on makes the next transaction fail. */
static int
load(struct name_index *index)
{
	int code;

	index->loaded = false;
	index->names.len = index->labels.len = 0;
	code = scan(index, "SSCAN taupe:devices %s COUNT %d", take_names);
	if (code == ADMIN_OK)
		code = scan(
		    index, "HSCAN taupe:reserved %s COUNT %d", take_labels);
	index->loaded = code == ADMIN_OK;
	return code;
}

/* Was nothing touched since the last WATCH? Watches again. */
static int
ask_untouched(struct name_index *index, bool *untouched)
{
	struct admin *admin = &index->admin;
	int code = store_open(admin);

	*untouched = false;
	if (code != ADMIN_OK)
		return code;
	if (redis_sync_queuef(admin->redis, "MULTI") != 0 ||
	    redis_sync_queuef(admin->redis, "PING") != 0 ||
	    redis_sync_queuef(admin->redis, "EXEC") != 0 ||
	    redis_sync_queuef(
		admin->redis, "WATCH taupe:devices taupe:reserved") != 0)
		return admin_fail_memory(admin);
	for (int i = 0; i < 4; i++) {
		redisReply *reply = store_next(admin, &code);

		if (reply == NULL)
			return code;
		*untouched =
		    *untouched || (i == 2 && reply->type == REDIS_REPLY_ARRAY);
		redis_sync_reply_free(&reply);
	}
	return ADMIN_OK;
}

static int
refresh(struct name_index *index)
{
	bool untouched;
	int code;

	admin_prove(&index->admin);
	if (index->admin.redis == NULL)
		index->loaded = false; /* nothing was watched */
	code = ask_untouched(index, &untouched);
	if (code == ADMIN_OK && (!index->loaded || !untouched))
		code = load(index);
	return code;
}

int
name_index_refresh(struct admin *admin)
{
	int code;

	if (admin->index == NULL) {
		admin->index = calloc(1, sizeof(*admin->index));
		if (admin->index == NULL)
			return admin_fail_memory(admin);
		admin_init(
		    &admin->index->admin, admin->registry, admin->program);
	}
	code = refresh(admin->index);
	if (code != ADMIN_OK) {
		admin->error = admin->index->admin.error;
		name_index_free(&admin->index);
	}
	return code;
}

void
name_index_search(const struct name_index *index, struct name_page *page)
{
	struct str text, name;
	size_t at = 0;

	while (next(&index->names, &at, &name))
		if (name_page_matches(page, name))
			name_page_take(page, name);
	if (page->search[0] == '\0')
		return;
	at = 0;
	while (next(&index->labels, &at, &text) &&
	    next(&index->labels, &at, &name))
		if (name_page_matches(page, text))
			name_page_take(page, name);
}

void
name_index_free(struct name_index **indexp)
{
	struct name_index *index = *indexp;

	if (index == NULL)
		return;
	*indexp = NULL;
	admin_fini(&index->admin);
	free(index->names.text);
	free(index->labels.text);
	free(index);
}
