/* SPDX-License-Identifier: MIT */
/* What the process itself costs, under the names that Prometheus' own libraries give it. */
#ifndef TAUPE_NET_PROCESS_METRICS_H
#define TAUPE_NET_PROCESS_METRICS_H

#include <stdint.h>
#include <stdio.h>

/* Write process_cpu_seconds_total, process_start_time_seconds, process_open_fds, process_max_fds,
 * process_resident_memory_bytes and process_virtual_memory_bytes. Those that only Linux tells
 * (/proc) are left out where it does not. */
void process_metrics_write(FILE *out);

/* Memory that it has in use; 0: not known. */
uint64_t process_resident_bytes(void);

#endif
