/* SPDX-License-Identifier: MIT */
/* Whether all of it could be written is for fclose() to say. */
#include "config.h"

#include "base/metrics_page.h"

void
metrics_family(
    FILE *out, const char *name, enum metric_type type, const char *help)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};

	fprintf(
	    out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, types[type]);
}

static void
write_label(FILE *out, const char *label, const char *text)
{
	fprintf(out, "%s=\"", label);
	for (; *text != '\0'; text++)
		if (*text == '\n')
			fputs("\\n", out);
		else
			fprintf(out,
			    *text == '"' || *text == '\\' ? "\\%c" : "%c",
			    *text);
	fputc('"', out);
}

static void
write_labels(FILE *out, const char *label, const char *text)
{
	if (label == NULL)
		return;
	fputc('{', out);
	write_label(out, label, text);
	fputc('}', out);
}

void
metrics_sample(FILE *out, const char *name, const char *label, const char *text,
    uint64_t value)
{
	fputs(name, out);
	write_labels(out, label, text);
	fprintf(out, " %" PRIu64 "\n", value);
}

void
metrics_sample_real(FILE *out, const char *name, const char *label,
    const char *text, double value)
{
	fputs(name, out);
	write_labels(out, label, text);
	fprintf(out, " %.6f\n", value);
}

static void
write_bucket(FILE *out, const char *name, const char *label, const char *text,
    const char *bound, uint64_t value)
{
	fprintf(out, "%s_bucket{", name);
	if (label != NULL) {
		write_label(out, label, text);
		fputc(',', out);
	}
	fprintf(out, "le=\"%s\"} %" PRIu64 "\n", bound, value);
}

void
metrics_sample_histogram(FILE *out, const char *name, const char *label,
    const char *text, const struct histogram *histogram)
{
	uint64_t sum = 0;
	char bound[32];

	for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
		sum += histogram->counts[i];
		snprintf(bound, sizeof(bound), "%g",
		    (double)histogram_bounds_us[i] / 1e6);
		write_bucket(out, name, label, text, bound, sum);
	}
	sum += histogram->counts[HISTOGRAM_BOUNDS];
	write_bucket(out, name, label, text, "+Inf", sum);
	fprintf(out, "%s_sum", name);
	write_labels(out, label, text);
	fprintf(out, " %.6f\n%s_count", (double)histogram->sum_us / 1e6, name);
	write_labels(out, label, text);
	fprintf(out, " %" PRIu64 "\n", sum);
}

void
metrics_counter(FILE *out, const char *name, const char *help, uint64_t value)
{
	metrics_family(out, name, METRIC_COUNTER, help);
	metrics_sample(out, name, NULL, NULL, value);
}

void
metrics_gauge(FILE *out, const char *name, const char *help, uint64_t value)
{
	metrics_family(out, name, METRIC_GAUGE, help);
	metrics_sample(out, name, NULL, NULL, value);
}
