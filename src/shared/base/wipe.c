/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/wipe.h"

void
wipe(void *data, size_t len)
{
#ifdef HAVE_EXPLICIT_BZERO
	if (len > 0)
		explicit_bzero(data, len);
#else
	volatile unsigned char *at = data;

	while (len-- > 0)
		*at++ = 0;
#endif
}

void
wipe_text(char **text)
{
	if (*text == NULL)
		return;
	wipe(*text, strlen(*text));
	free(*text);
	*text = NULL;
}
