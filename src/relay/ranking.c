/* SPDX-License-Identifier: MIT */
/* A heap of the busiest so far, with the least busy of them on top: each device is compared with that
 * one, and few of a hundred thousand come any further. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "relay/counting.h"
#include "relay/ranking.h"

struct ranking {
	const struct device **list; /* a heap */
	size_t n, max;
};

static uint64_t
bytes_of(const struct device *device)
{
	const struct device_counters *totals = counting_totals(device);

	return totals->bytes_in + totals->bytes_out;
}

static bool
is_busier(const struct device *a, const struct device *b)
{
	uint64_t of_a = bytes_of(a), of_b = bytes_of(b);

	return of_a != of_b ? of_a > of_b : strcmp(a->name, b->name) < 0;
}

static void
swap(struct ranking *ranking, size_t i, size_t k)
{
	const struct device *device = ranking->list[i];

	ranking->list[i] = ranking->list[k];
	ranking->list[k] = device;
}

static void
sift_up(struct ranking *ranking, size_t i)
{
	while (
	    i > 0 && is_busier(ranking->list[(i - 1) / 2], ranking->list[i])) {
		swap(ranking, i, (i - 1) / 2);
		i = (i - 1) / 2;
	}
}

static void
sift_down(struct ranking *ranking)
{
	for (size_t i = 0, least; (least = 2 * i + 1) < ranking->n; i = least) {
		if (least + 1 < ranking->n &&
		    is_busier(ranking->list[least], ranking->list[least + 1]))
			least++;
		if (!is_busier(ranking->list[i], ranking->list[least]))
			return;
		swap(ranking, i, least);
	}
}

static void
rank_cb(void *ctx, struct hash_node *node)
{
	struct ranking *ranking = ctx;
	const struct device *device = HASH_ENTRY(node, struct device, by_name);

	if (counting_totals(device) == NULL)
		return;
	if (ranking->n < ranking->max) {
		ranking->list[ranking->n++] = device;
		sift_up(ranking, ranking->n - 1);
	} else if (is_busier(device, ranking->list[0])) {
		ranking->list[0] = device;
		sift_down(ranking);
	}
}

static int
compare_cb(const void *a, const void *b)
{
	const struct device *const *x = a, *const *y = b;

	return is_busier(*x, *y) ? -1 : 1;
}

const struct device **
devices_ranked(struct relay *relay, size_t n, size_t *count)
{
	struct ranking ranking = {.max = n};

	*count = 0;
	if (n > relay->devices.count)
		ranking.max = n = relay->devices.count;
	if (n == 0 || (ranking.list = calloc(n, sizeof(*ranking.list))) == NULL)
		return NULL;
	hash_map_each(&relay->devices, rank_cb, &ranking);
	qsort(ranking.list, ranking.n, sizeof(*ranking.list), compare_cb);
	*count = ranking.n;
	return ranking.list;
}
