/* SPDX-License-Identifier: MIT */
/*
 * On a busy machine a visitor's request waits at four queues of runnable processes, twice
 * at the relay and twice at the agent. With a shorter slice a process that wakes has the
 * earlier deadline, and goes first.
 */
#include "config.h"

#include <stdint.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>
#endif

#include "net/slice.h"

#define SLICE_NS 300000u /* the scheduler allows 100 us to 100 ms */
#define USUAL_NS 0u	 /* what it gives by itself */
#define OTHER 0u	 /* policies, sched(7) */
#define BATCH 3u

#if defined(SYS_sched_getattr) && defined(SYS_sched_setattr)

/* struct sched_attr of the kernel's first version; libc has none. */
struct slice_attr {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns;
	uint64_t deadline_ns;
	uint64_t period_ns;
};

static void
ask(uint32_t policy, uint64_t slice_ns)
{
	struct slice_attr attr = {.size = sizeof(attr)};

	if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) != 0 ||
	    attr.policy != OTHER)
		return; /* somebody has decided on another policy */
	attr.size = sizeof(attr);
	attr.policy = policy;
	attr.runtime_ns = slice_ns;
	(void)syscall(SYS_sched_setattr, 0, &attr, 0);
}

#else

static void
ask(uint32_t policy, uint64_t slice_ns)
{
	(void)policy;
	(void)slice_ns;
}

#endif

void
slice_ask_short(void)
{
	ask(OTHER, SLICE_NS);
}

void
slice_ask_batch(void)
{
	ask(BATCH, USUAL_NS);
}
