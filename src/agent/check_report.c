/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <sysexits.h>

#include "agent/check_report.h"
#include "agent/json_text.h"

#define TEXT_MAX 2048

static void
print_json(struct check_report *report, const char *step, const char *verdict,
    uint64_t ms, const char *what, const char *advice)
{
	printf("%s{\"step\":", report->n_lines == 0 ? "[" : ",\n ");
	json_text_print(str_of(step));
	printf(",\"result\":");
	json_text_print(str_of(verdict));
	if (ms != UINT64_MAX)
		printf(",\"ms\":%llu", (unsigned long long)ms);
	printf(",\"text\":");
	json_text_print(str_of(what));
	if (advice != NULL) {
		printf(",\"advice\":");
		json_text_print(str_of(advice));
	}
	putchar('}');
}

static void
print(struct check_report *report, const char *step, const char *verdict,
    uint64_t ms, const char *what, const char *advice)
{
	char took[32] = "";

	if (report->json) {
		print_json(report, step, verdict, ms, what, advice);
	} else {
		if (ms != UINT64_MAX)
			snprintf(took, sizeof(took), "%llu ms",
			    (unsigned long long)ms);
		printf("%-14s %-4s %8s  %s\n", step, verdict, took, what);
		if (advice != NULL)
			printf("%-29s-> %s\n", "", advice);
	}
	report->n_lines++;
	report->step = step;
	fflush(stdout);
}

void
check_report_ok(struct check_report *report, const char *step, uint64_t ms,
    const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	print(report, step, "ok", ms, text, NULL);
}

void
check_report_skip(
    struct check_report *report, const char *step, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	print(report, step, "skip", UINT64_MAX, text, NULL);
}

void
check_report_failed(struct check_report *report, const char *step, uint64_t ms,
    int result, const char *why, const char *format, ...)
{
	char advice[TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(advice, sizeof(advice), format, args);
	va_end(args);
	if (report->result == EX_OK)
		report->result = result;
	print(report, step, "FAIL", ms, why, advice);
}

void
check_report_end(const struct check_report *report)
{
	if (report->json)
		printf("%s]\n", report->n_lines == 0 ? "[" : "");
	else
		printf("%s\n",
		    report->result == EX_OK ? "all is well"
					    : "not all is well: see above");
}
