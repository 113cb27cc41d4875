/* SPDX-License-Identifier: MIT */
/* Overwriting what was secret as soon as nobody needs it any more. */
#ifndef TAUPE_BASE_WIPE_H
#define TAUPE_BASE_WIPE_H

#include <stddef.h>

/* Overwrite, in a way that the compiler may not leave out. */
void wipe(void *data, size_t len);
/* Wipe a text from malloc, free it and clear the pointer, which may be NULL. */
void wipe_text(char **text);

#endif
