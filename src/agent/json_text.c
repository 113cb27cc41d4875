/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdio.h>

#include "agent/json_text.h"

void
json_text_print(struct str text)
{
	putchar('"');
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20)
			printf("\\u%04x", c);
		else
			putchar(c > 0x7e ? '?' : c);
	}
	putchar('"');
}
