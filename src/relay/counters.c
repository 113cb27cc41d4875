/* SPDX-License-Identifier: MIT */
/* The list of counters in the forms that its readers want. */
#include "config.h"

#include "relay/counters.h"

const char *const *
counters_names(void)
{
	static const char *const names[] = {
#define X(member, description) #member,
	    RELAY_COUNTERS(X)
#undef X
	};

	return names;
}

const char *const *
counters_descriptions(void)
{
	static const char *const descriptions[] = {
#define X(member, description) description,
	    RELAY_COUNTERS(X)
#undef X
	};

	return descriptions;
}

void
counters_values(const struct counters *counters, uint64_t *values)
{
#define X(member, description) *values++ = counters->member;
	RELAY_COUNTERS(X)
#undef X
}
