/* SPDX-License-Identifier: MIT */
#include "base/event_kind.h"

#include <assert.h>

static const struct {
	const char *name, *description;
} rows[EVENT_KIND_COUNT] = {
#define X(constant, name, description) [constant] = {name, description},
    EVENT_KINDS(X)
#undef X
};

const char *
event_kind_name(enum event_kind kind)
{
	assert((unsigned)kind < EVENT_KIND_COUNT);
	return rows[kind].name;
}

const char *
event_kind_description(enum event_kind kind)
{
	assert((unsigned)kind < EVENT_KIND_COUNT);
	return rows[kind].description;
}

bool
event_kind_parse(struct str name, enum event_kind *kind)
{
	for (size_t i = 0; i < EVENT_KIND_COUNT; i++)
		if (str_equal(name, str_of(rows[i].name))) {
			*kind = (enum event_kind)i;
			return true;
		}
	return false;
}
