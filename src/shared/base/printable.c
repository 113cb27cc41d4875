/* SPDX-License-Identifier: MIT */
#include "base/printable.h"

void
make_printable(char *text)
{
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}
