/* SPDX-License-Identifier: MIT */
/*
 * taupectl top: the relays and the busiest devices, each second. For top*.c alone.
 *
 * A look costs Redis one ZRANGE and one HGETALL for each relay, however many devices there are:
 * which ones are busy the relays say in their announcements.
 */
#ifndef TAUPE_CTL_TOP_H
#define TAUPE_CTL_TOP_H

#include <stdio.h>

#include "base/device_record.h"
#include "ctl/ctl.h"
#include "net/redis_sync.h"

#define TOP_ERROR_MAX 800
#define TOP_FILTER_MAX 63

/* A relay; rates are of a second. */
struct top_relay {
	char id[DEVICE_NAME_MAX + 1];
	uint64_t agents, capacity, visitors, draining;
	/* its counters, and its clock when it wrote them */
	uint64_t visits, bytes_in, bytes_out, clock_ms;
	bool has_rates; /* it was seen before */
	double visit_rate, bits_in, bits_out;
};

struct top_device {
	char name[DEVICE_NAME_MAX + 1], relay[DEVICE_NAME_MAX + 1];
	double visit_rate, byte_in, byte_out; /* of a second */
};

/* One look. All zero is an empty one. */
struct top_view {
	size_t n_relays, n_devices;
	struct top_relay *relays;
	struct top_device *devices;
};

enum top_sort { TOP_BY_BYTES, TOP_BY_VISITS, TOP_BY_NAME, TOP_SORTS };

/* Where the views come from. */
struct top_source {
	const struct ctl_options *options;
	struct admin *admin;
	struct redis_sync *redis; /* NULL: not connected */
	char error[TOP_ERROR_MAX];
};

/* Look. Rates are worked out against the view before, which is empty the first time. -1 with
 * source->error filled; the next call tries anew. */
int top_look(struct top_source *source, const struct top_view *before,
    struct top_view *view);
void top_source_fini(struct top_source *source);
void top_view_fini(struct top_view *view);
/* Sort, and keep only what has that in its name; "" keeps all. */
void top_view_arrange(
    struct top_view *view, enum top_sort sort, const char *filter);

/* "3:1200:99000" of "alice:3:1200:99000,…": takes the next device of a relay's list. False: there is
 * none; what is malformed is skipped. */
bool top_next_busy(struct str *list, struct str *name, uint64_t numbers[3]);

/* As text of so many columns, the status line last; or as an object. out is a stream of the
 * caller's. rows 0: no bound. */
void top_write(const struct top_view *view, size_t rows, size_t columns,
    const char *status, FILE *out);
json_t *top_json(const struct top_view *view);

/* The live screen; returns an exit code. */
int top_run_screen(struct top_source *source);

#endif
