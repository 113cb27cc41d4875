/* SPDX-License-Identifier: MIT */
/*
 * The texts of the close reasons. Both functions read the one list in the header, so
 * that a reason cannot exist without its counter and its description.
 */
#include "base/close_reason.h"

#include <assert.h>

const char *
close_reason_name(enum close_reason reason)
{
	static const char *const names[] = {
#define X(constant, counter, description) counter,
	    CLOSE_REASONS(X)
#undef X
	};

	assert((unsigned)reason < CLOSE_REASON_COUNT);
	return names[reason];
}

const char *
close_reason_description(enum close_reason reason)
{
	static const char *const descriptions[] = {
#define X(constant, counter, description) description,
	    CLOSE_REASONS(X)
#undef X
	};

	assert((unsigned)reason < CLOSE_REASON_COUNT);
	return descriptions[reason];
}
