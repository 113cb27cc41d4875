/* SPDX-License-Identifier: MIT */
/*
 * Descriptors are counted by the size of /proc/self/fd, which Linux tells from 6.2 on; before that
 * each is asked for, at a system call: to list that directory is ten times as slow.
 */
#include "config.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/metrics_page.h"
#include "net/process_metrics.h"

static double
seconds_of(const struct timeval *time)
{
	return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static void
write_cpu(FILE *out)
{
	const char *name = "process_cpu_seconds_total";
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) != 0)
		return;
	metrics_family(out, name, METRIC_COUNTER,
	    "Processor time of the process, its own and the kernel's.");
	metrics_sample_real(out, name, NULL, NULL,
	    seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime));
}

/* The number of a line "btime 1700000000" of a file. False: there is none. */
static bool
read_number(const char *path, const char *format, unsigned long long *number)
{
	FILE *file = fopen(path, "re");
	char line[256];
	bool found = false;

	if (file == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), file) != NULL)
		found = sscanf(line, format, number) == 1;
	fclose(file);
	return found;
}

#ifdef CLOCK_BOOTTIME
/* Field 22 of proc_pid_stat(5), whose second is our name: in ticks since the system's start.
 * (/proc/stat, which knows when that was, is not there in a sandbox.) */
static double
start_time(void)
{
	unsigned long long ticks;
	struct timespec wall, since_boot;

	if (!read_number("/proc/self/stat",
		"%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u "
		"%*u %*d %*d %*d %*d %*d %*d %llu",
		&ticks) ||
	    clock_gettime(CLOCK_REALTIME, &wall) != 0 ||
	    clock_gettime(CLOCK_BOOTTIME, &since_boot) != 0)
		return 0;
	return (double)(wall.tv_sec - since_boot.tv_sec) +
	    (double)(wall.tv_nsec - since_boot.tv_nsec) / 1e9 +
	    (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

/* Found once: the wall clock moves, and another value means another process. */
static void
write_start(FILE *out)
{
	const char *name = "process_start_time_seconds";
	static double started;

	if (started == 0)
		started = start_time();
	if (started == 0)
		return;
	metrics_family(out, name, METRIC_GAUGE,
	    "When the process was started, since 1970.");
	metrics_sample_real(out, name, NULL, NULL, started);
}
#else
static void
write_start(FILE *out)
{
	(void)out;
}
#endif

/* The table's size is the next power of two. */
static bool
count_descriptors(unsigned long long *count)
{
	struct stat stat_of;
	unsigned long long size;

	if (stat("/proc/self/fd", &stat_of) != 0)
		return false;
	*count = (unsigned long long)stat_of.st_size;
	if (*count > 0)
		return true;
	if (!read_number("/proc/self/status", "FDSize: %llu", &size))
		return false;
	for (int fd = 0; (unsigned long long)fd < size; fd++)
		*count += fcntl(fd, F_GETFD) != -1;
	return true;
}

static void
write_descriptors(FILE *out)
{
	struct rlimit limit;
	unsigned long long count;

	if (count_descriptors(&count))
		metrics_gauge(out, "process_open_fds",
		    "Descriptors that are open.", count);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		metrics_gauge(out, "process_max_fds",
		    "Descriptors that may be open.", limit.rlim_cur);
}

static void
write_memory(FILE *out)
{
	unsigned long long kb;

	if (read_number("/proc/self/status", "VmRSS: %llu", &kb))
		metrics_gauge(out, "process_resident_memory_bytes",
		    "Memory of the process that is in the machine's.",
		    kb * 1024);
	if (read_number("/proc/self/status", "VmSize: %llu", &kb))
		metrics_gauge(out, "process_virtual_memory_bytes",
		    "Addresses that the process has mapped.", kb * 1024);
}

void
process_metrics_write(FILE *out)
{
	write_cpu(out);
	write_start(out);
	write_descriptors(out);
	write_memory(out);
}

uint64_t
process_resident_bytes(void)
{
	unsigned long long pages;

	return read_number("/proc/self/statm", "%*u %llu", &pages)
	    ? pages * (unsigned long long)sysconf(_SC_PAGESIZE)
	    : 0;
}
