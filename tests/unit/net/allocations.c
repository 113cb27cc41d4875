/* SPDX-License-Identifier: MIT */
#include <event2/event.h>
#include <stdbool.h>
#include <malloc.h>
#include <stdlib.h>

#include "allocations.h"
#include "net/loop.h"

static size_t count;
static long bytes;
static bool running; /* the loop */

/* names that the linker gives them */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *old);
int __real_loop_run(struct loop *loop);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *old);
int __wrap_loop_run(struct loop *loop);

static void *
note(void *fresh)
{
	if (running && fresh != NULL) {
		count++;
		bytes += (long)malloc_usable_size(fresh);
	}
	return fresh;
}

void *
__wrap_malloc(size_t size)
{
	return note(__real_malloc(size));
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return note(__real_calloc(n, size));
}

void *
__wrap_realloc(void *old, size_t size)
{
	if (running && old != NULL)
		bytes -= (long)malloc_usable_size(old);
	return note(__real_realloc(old, size));
}

void
__wrap_free(void *old)
{
	if (running && old != NULL)
		bytes -= (long)malloc_usable_size(old);
	__real_free(old);
}

int
__wrap_loop_run(struct loop *loop)
{
	int result;

	running = true;
	result = __real_loop_run(loop);
	running = false;
	return result;
}

void
allocations_begin(void)
{
	event_set_mem_functions(__wrap_malloc, __wrap_realloc, __wrap_free);
}

size_t
allocations(void)
{
	return count;
}

long
allocated_bytes(void)
{
	return bytes;
}
