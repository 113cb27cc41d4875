/* SPDX-License-Identifier: MIT */
/* OpenSSL says neither that a block is secret nor, when it frees it, how long it is: that is
 * asked of the allocator, where it can be. */
#include "config.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#ifdef HAVE_MALLOC_USABLE_SIZE
#include <malloc.h>
#endif

#include "base/wipe.h"
#include "net/crypto_memory.h"

static _Thread_local bool wiping; /* what the other thread frees is no key */

#ifdef HAVE_MALLOC_USABLE_SIZE
static void *
malloc_cb(size_t len, const char *file, int line)
{
	(void)file;
	(void)line;
	return len > 0 ? malloc(len) : NULL; /* as OpenSSL's own */
}

static void
free_cb(void *old, const char *file, int line)
{
	(void)file;
	(void)line;
	if (wiping && old != NULL)
		wipe(old, malloc_usable_size(old));
	free(old);
}

static void *
realloc_cb(void *old, size_t len, const char *file, int line)
{
	size_t had;
	void *new;

	if (len == 0) {
		free_cb(old, file, line);
		return NULL;
	}
	if (!wiping || old == NULL)
		return realloc(old, len);
	if ((new = malloc(len)) == NULL) /* and the old one stays */
		return NULL;
	had = malloc_usable_size(old);
	memcpy(new, old, had < len ? had : len);
	free_cb(old, file, line);
	return new;
}
#endif

void
crypto_memory_init(void)
{
#ifdef HAVE_MALLOC_USABLE_SIZE
	(void)CRYPTO_set_mem_functions(malloc_cb, realloc_cb, free_cb);
#endif
}

void
crypto_memory_wipe(bool wanted)
{
	wiping = wanted;
}
