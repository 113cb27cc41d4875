/* SPDX-License-Identifier: MIT */
/*
 * The names of all devices and their reserved labels as they are in Redis, in the memory of who
 * lists them again and again: some megabytes for a hundred thousand, which are looked through in
 * milliseconds. Whether they still are so is asked each time, exactly: a connection of its own
 * watches both keys (WATCH), and an empty transaction tells whether they were touched.
 */
#ifndef TAUPE_ADMIN_NAME_INDEX_H
#define TAUPE_ADMIN_NAME_INDEX_H

#include "admin/name_page.h"
#include "admin/store_redis.h"

/* Make the context's index what Redis has now. */
int name_index_refresh(struct admin *admin);
/* Take what fits into the page. */
void name_index_search(const struct name_index *index, struct name_page *page);
void name_index_free(struct name_index **index);

#endif
