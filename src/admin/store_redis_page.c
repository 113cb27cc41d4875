/* SPDX-License-Identifier: MIT */
/* A page of devices out of very many: which names, by the index, and then their records. */
#include "admin/name_index.h"

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
	int code = store_open(admin);

	if (code == ADMIN_OK)
		code = name_index_refresh(admin);
	if (code != ADMIN_OK)
		return code;
	name_index_search(admin->index, page);
	return page->search[0] != '\0' ? take_holder(admin, page) : ADMIN_OK;
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
