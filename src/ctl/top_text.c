/* SPDX-License-Identifier: MIT */
/* A view as lines or as JSON: what is shown of it, in which order, and how wide. */
#include <stdlib.h>

#include "ctl/report.h"
#include "ctl/top.h"

#define LINE_MAX_COLUMNS 512

/* Order. */

static double
bytes_of(const struct top_device *device)
{
	return device->byte_in + device->byte_out;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct top_device *)a)->name,
	    ((const struct top_device *)b)->name);
}

static int
by_bytes(const void *a, const void *b)
{
	double left = bytes_of(a), right = bytes_of(b);

	return left > right ? -1 : left < right ? 1 : by_name(a, b);
}

static int
by_visits(const void *a, const void *b)
{
	double left = ((const struct top_device *)a)->visit_rate,
	       right = ((const struct top_device *)b)->visit_rate;

	return left > right ? -1 : left < right ? 1 : by_bytes(a, b);
}

static int
by_id(const void *a, const void *b)
{
	return strcmp(((const struct top_relay *)a)->id,
	    ((const struct top_relay *)b)->id);
}

void
top_view_arrange(struct top_view *view, enum top_sort sort, const char *filter)
{
	static int (*const orders[TOP_SORTS])(const void *, const void *) = {
	    [TOP_BY_BYTES] = by_bytes,
	    [TOP_BY_VISITS] = by_visits,
	    [TOP_BY_NAME] = by_name,
	};
	size_t n = 0;

	for (size_t i = 0; i < view->n_devices; i++)
		if (strstr(view->devices[i].name, filter) != NULL)
			view->devices[n++] = view->devices[i];
	view->n_devices = n;
	if (n > 0)
		qsort(view->devices, n, sizeof(view->devices[0]), orders[sort]);
	if (view->n_relays > 0)
		qsort(view->relays, view->n_relays, sizeof(view->relays[0]),
		    by_id);
}

/* Text. */

/* "1.2M", in thousands; "-" when it is not known. */
static const char *
short_number(bool known, double value, char out[16])
{
	static const char units[] = " kMGTP";
	size_t unit = 0;

	while (value >= 999.5 && unit + 2 < sizeof(units)) {
		value /= 1000;
		unit++;
	}
	if (!known)
		snprintf(out, 16, "-");
	else if (unit == 0)
		snprintf(
		    out, 16, value < 10 && value > 0 ? "%.1f" : "%.0f", value);
	else
		snprintf(out, 16, "%.1f%c", value, units[unit]);
	return out;
}

/* What is written so far, of a bound. */
struct page {
	FILE *out;
	size_t rows, columns, used;
};

static void put_line(struct page *page, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
put_line(struct page *page, const char *format, ...)
{
	char line[LINE_MAX_COLUMNS];
	va_list args;

	if (page->rows != 0 && page->used == page->rows)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	fprintf(page->out, "%.*s\n", (int)page->columns, line);
	page->used++;
}

static void
put_sums(struct page *page, const struct top_view *view)
{
	double bits_in = 0, bits_out = 0, visits = 0;
	uint64_t agents = 0, visitors = 0;
	char in[16], out[16], rate[16];
	bool known = false;

	for (size_t i = 0; i < view->n_relays; i++) {
		const struct top_relay *relay = &view->relays[i];

		agents += relay->agents;
		visitors += relay->visitors;
		bits_in += relay->bits_in;
		bits_out += relay->bits_out;
		visits += relay->visit_rate;
		known = known || relay->has_rates;
	}
	put_line(page,
	    "%zu relays, %llu agents, %llu visitors, %s visits/s, in %s bit/s, "
	    "out %s bit/s",
	    view->n_relays, (unsigned long long)agents,
	    (unsigned long long)visitors, short_number(known, visits, rate),
	    short_number(known, bits_in, in),
	    short_number(known, bits_out, out));
}

static void
put_relay(struct page *page, const struct top_relay *relay)
{
	char visits[16], in[16], out[16];

	put_line(page, "%-20s %-8s %8llu %5.1f%% %9llu %9s %9s %9s", relay->id,
	    relay->draining ? "draining" : "serving",
	    (unsigned long long)relay->agents,
	    relay->capacity > 0
		? 100 * (double)relay->agents / (double)relay->capacity
		: 0,
	    (unsigned long long)relay->visitors,
	    short_number(relay->has_rates, relay->visit_rate, visits),
	    short_number(relay->has_rates, relay->bits_in, in),
	    short_number(relay->has_rates, relay->bits_out, out));
}

static void
put_device(struct page *page, const struct top_device *device)
{
	char visits[16], in[16], out[16];

	put_line(page, "%-29s %-24s %9s %9s %9s", device->name, device->relay,
	    short_number(true, device->visit_rate, visits),
	    short_number(true, device->byte_in, in),
	    short_number(true, device->byte_out, out));
}

void
top_write(const struct top_view *view, size_t rows, size_t columns,
    const char *status, FILE *out)
{
	/* the last row is the status line's */
	struct page page = {out, rows > 1 ? rows - 1 : rows, columns, 0};

	put_sums(&page, view);
	put_line(&page, "%s", "");
	put_line(&page, "%-20s %-8s %8s %6s %9s %9s %9s %9s", "RELAY", "STATE",
	    "AGENTS", "FULL", "VISITORS", "VISITS/s", "IN bit/s", "OUT bit/s");
	for (size_t i = 0; i < view->n_relays; i++)
		put_relay(&page, &view->relays[i]);
	put_line(&page, "%s", "");
	put_line(&page, "%-29s %-24s %9s %9s %9s", "BUSIEST DEVICES", "RELAY",
	    "VISITS/s", "IN B/s", "OUT B/s");
	for (size_t i = 0; i < view->n_devices; i++)
		put_device(&page, &view->devices[i]);
	while (status != NULL && rows > 1 && page.used < page.rows)
		put_line(&page, "%s", "");
	if (status != NULL)
		fprintf(out, "%.*s", (int)columns, status);
}

/* JSON. */

static json_t *
relay_json(const struct top_relay *relay)
{
	json_t *json = json_pack("{s:s, s:I, s:I, s:I, s:b}", "id", relay->id,
	    "agents", (json_int_t)relay->agents, "capacity",
	    (json_int_t)relay->capacity, "visitors",
	    (json_int_t)relay->visitors, "draining", (int)relay->draining);

	if (relay->has_rates)
		json_object_update_new(json,
		    json_pack("{s:f, s:f, s:f}", "visits_per_s",
			relay->visit_rate, "bits_in_per_s", relay->bits_in,
			"bits_out_per_s", relay->bits_out));
	return json;
}

json_t *
top_json(const struct top_view *view)
{
	json_t *relays = json_array(), *devices = json_array();

	for (size_t i = 0; i < view->n_relays; i++)
		json_array_append_new(relays, relay_json(&view->relays[i]));
	for (size_t i = 0; i < view->n_devices; i++) {
		const struct top_device *device = &view->devices[i];

		json_array_append_new(devices,
		    json_pack("{s:s, s:s, s:f, s:f, s:f}", "name", device->name,
			"relay", device->relay, "visits_per_s",
			device->visit_rate, "bytes_in_per_s", device->byte_in,
			"bytes_out_per_s", device->byte_out));
	}
	return json_pack("{s:o, s:o}", "relays", relays, "devices", devices);
}
