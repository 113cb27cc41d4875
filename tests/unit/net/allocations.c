/* SPDX-License-Identifier: MIT */
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>

#include "allocations.h"
#include "net/loop.h"

static size_t count;
static bool running; /* the loop */

/* names that the linker gives them */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
int __real_loop_run(struct loop *loop);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
int __wrap_loop_run(struct loop *loop);

void *
__wrap_malloc(size_t size)
{
	count += running;
	return __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	count += running;
	return __real_calloc(n, size);
}

void *
__wrap_realloc(void *old, size_t size)
{
	count += running;
	return __real_realloc(old, size);
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
	event_set_mem_functions(__wrap_malloc, __wrap_realloc, free);
}

size_t
allocations(void)
{
	return count;
}
