/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <string.h>

#include "base/error_text.h"

const char *
error_text(int error)
{
	return strerror(error);
}
