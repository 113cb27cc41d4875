/* SPDX-License-Identifier: MIT */
/* Words to a question, and an answer to lines for people, or to JSON. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "agent/command.h"
#include "agent/command_door.h"
#include "agent/json_text.h"
#include "base/error_text.h"
#include "base/option_value.h"
#include "net/local_door.h"
#include "wire/form.h"

#define PATIENCE_MS 6000 /* an agent's loop waits for nobody */
#define MINUTE_MS 60000

static const struct option_command commands[] = {
    {"setup", NULL, NULL,
	"Make the configuration of what taupectl device add --qr has printed, "
	"which is read from standard input. It has options of its own: "
	"taupe-agent setup --help, and taupe-agent-setup(8)."},
    {"status", NULL, NULL,
	"Tell how the running agent stands: its relay, its services, what was "
	"lost last and why, visits, and what is allowed."},
    {"allow", NULL, "TIME [SERVICE]",
	"Allow visits of the services whose access is on-request, or of one of "
	"them, for this time from now on, as 1h or 30m."},
    {"deny", NULL, "[SERVICE]",
	"Allow them no longer: visits that run are ended."},
    {NULL, NULL, NULL, NULL},
};

const struct option_command *
command_at(size_t place)
{
	return commands[place].noun != NULL ? &commands[place] : NULL;
}

/* ---- the question ---- */

static bool
parse_time(const char *text, int64_t *ms)
{
	const struct option_row row = {.key = "TIME",
	    .type = OPTION_DURATION,
	    .min = 1000,
	    .max = (int64_t)COMMAND_FOREVER_MS};
	char error[OPTION_ERROR_MAX];

	return option_value_set(&row, ms, text, error) == 0;
}

const char *
command_check(const struct option_list *words)
{
	const char *noun = words->items[0];
	size_t most = 0, at = 0;
	int64_t ms;

	while (commands[at].noun != NULL && strcmp(commands[at].noun, noun) != 0)
		at++;
	if (commands[at].noun == NULL)
		return "there is no such command (see --help)";
	if (strcmp(noun, "setup") == 0)
		return "it is the first word, with options of its own behind "
		       "it: taupe-agent setup --help";
	if (strcmp(noun, "allow") == 0) {
		if (words->count < 2)
			return "for how long? taupe-agent allow 1h";
		if (!parse_time(words->items[1], &ms))
			return "the time is not of the form 30m, 1h or 2d, from "
			       "a second to a year";
		most = 2;
	} else if (strcmp(noun, "deny") == 0) {
		most = 1;
	}
	if (words->count > most + 1)
		return "too many words (see --help)";
	if (words->count == most + 1 && most > 0 &&
	    !taupe_service_name_valid(words->items[most]))
		return "that is no service's name";
	return NULL;
}

static size_t
write_question(const struct option_list *words, char out[COMMAND_LINE_MAX])
{
	const char *noun = words->items[0];
	size_t service = strcmp(noun, "allow") == 0 ? 2 : 1;
	struct writer w;
	int64_t ms;

	writer_init(&w, out, COMMAND_LINE_MAX);
	form_put(&w, "op", str_of(noun));
	if (service == 2 && parse_time(words->items[1], &ms))
		form_put_number(&w, "ms", (uint64_t)ms);
	if (words->count > service)
		form_put(&w, "service", str_of(words->items[service]));
	writer_char(&w, '\n');
	return writer_len(&w);
}

/* ---- the answer, as JSON ---- */

static bool
is_number(const struct form_pair *pair)
{
	static const char *const endings[] = {"_ms", "bytes", "visits",
	    "visits_ended", "epoch"};
	wire_number number;

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		size_t len = strlen(endings[i]);

		if (pair->key.len >= len &&
		    memcmp(pair->key.ptr + pair->key.len - len, endings[i],
			len) == 0)
			return str_to_number(
			    pair->value, WIRE_NUMBER_MAX, &number);
	}
	return false;
}

/* The pairs of a line, without braces. */
static void
print_pairs(char *line, size_t len)
{
	struct form_reader reader;
	struct form_pair pair;
	bool first = true;

	form_reader_init(&reader, line, len);
	while (form_next(&reader, &pair) == WIRE_DONE) {
		if (!first)
			putchar(',');
		first = false;
		json_text_print(pair.key);
		putchar(':');
		if (is_number(&pair))
			printf("%.*s", STR_ARG(pair.value));
		else
			json_text_print(pair.value);
	}
}

/* ---- the answer, for people ---- */

struct shown {
	char key[24], value[STANDING_URL_MAX];
};

#define SHOWN_MAX 24

struct line {
	size_t n;
	struct shown list[SHOWN_MAX];
};

static void
read_line(char *text, size_t len, struct line *line)
{
	struct form_reader reader;
	struct form_pair pair;

	line->n = 0;
	form_reader_init(&reader, text, len);
	while (line->n < SHOWN_MAX && form_next(&reader, &pair) == WIRE_DONE) {
		struct shown *shown = &line->list[line->n];

		if (str_copy(pair.key, shown->key, sizeof(shown->key)) &&
		    str_copy(pair.value, shown->value, sizeof(shown->value)))
			line->n++;
	}
}

/* "" when there is none. */
static const char *
value_of(const struct line *line, const char *key)
{
	for (size_t i = 0; i < line->n; i++)
		if (strcmp(line->list[i].key, key) == 0)
			return line->list[i].value;
	return "";
}

static uint64_t
number_of(const struct line *line, const char *key)
{
	return strtoull(value_of(line, key), NULL, 10);
}

static const char *
time_text(uint64_t wall_ms, char out[32])
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm utc;

	out[0] = '\0';
	if (gmtime_r(&seconds, &utc) != NULL)
		strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
	return out;
}

static void
print_whole(const struct line *line)
{
	char text[32];

	printf("device     %s\n", value_of(line, "device"));
	printf("state      %s since %s\n", value_of(line, "state"),
	    time_text(number_of(line, "since_ms"), text));
	printf("relay      %s\n", value_of(line, "relay"));
	if (value_of(line, "label")[0] != '\0')
		printf("label      %s, session %s, heartbeat every %llu s\n",
		    value_of(line, "label"), value_of(line, "epoch"),
		    (unsigned long long)number_of(line, "heartbeat_ms") / 1000);
	if (value_of(line, "retry_ms")[0] != '\0')
		printf("next try   in %llu ms\n",
		    (unsigned long long)number_of(line, "retry_ms"));
	if (value_of(line, "lost")[0] != '\0')
		printf("last loss  %s: %s\n",
		    time_text(number_of(line, "lost_ms"), text),
		    value_of(line, "lost"));
	printf("visits     %s now, %s before, which carried %s bytes in and %s "
	       "out\n",
	    value_of(line, "visits"), value_of(line, "visits_ended"),
	    value_of(line, "in_bytes"), value_of(line, "out_bytes"));
	if (value_of(line, "spent_bytes")[0] != '\0')
		printf("spent      %s bytes in these 30 days, of %s\n",
		    value_of(line, "spent_bytes"),
		    value_of(line, "budget_bytes")[0] != '\0'
			? value_of(line, "budget_bytes")
			: "any number");
}

static void
print_service(const struct line *line)
{
	uint64_t left_ms = number_of(line, "allowed_ms");

	printf("service    %s (%s at %s), %s visits now, ",
	    value_of(line, "service"), value_of(line, "kind"),
	    value_of(line, "target"), value_of(line, "visits"));
	if (strcmp(value_of(line, "access"), "on-request") != 0)
		printf("open\n");
	else if (left_ms == 0)
		printf("on request: not allowed now\n");
	else
		printf("on request: allowed for %llu minutes more\n",
		    (unsigned long long)((left_ms + MINUTE_MS - 1) / MINUTE_MS));
	if (value_of(line, "url")[0] != '\0')
		printf("           %s\n", value_of(line, "url"));
	if (strcmp(value_of(line, "health"), "unchecked") != 0)
		printf("           health: %s%s%s\n", value_of(line, "health"),
		    value_of(line, "error")[0] != '\0' ? ": " : "",
		    value_of(line, "error"));
}

/* ---- asking ---- */

static void
complain(const char *what, const char *path, const char *why)
{
	fprintf(stderr, "taupe-agent: %s%s%s: %s\n", what,
	    path != NULL ? " " : "", path != NULL ? path : "", why);
}

static int
no_agent(const char *path, int error)
{
	if (error == EACCES || error == EPERM) {
		complain("the agent at", path,
		    "it is another user's: become that user, or root");
		return EX_NOPERM;
	}
	complain("no agent answers at", path,
	    error == ENOENT || error == ECONNREFUSED
		? "is it running, with this configuration?"
		: error_text(error));
	return EX_UNAVAILABLE;
}

/* Is it whole? Then it ends here. */
static char *
find_end(char *answer, size_t len)
{
	static const char end[] = "end=1\n";
	size_t n = sizeof(end) - 1;

	if (len < n || memcmp(answer + len - n, end, n) != 0 ||
	    (len > n && answer[len - n - 1] != '\n'))
		return NULL;
	return answer + len - n;
}

/* An error is the answer's only line. -1: it is none. */
static int
say_error(const char *answer, const char *end)
{
	struct line line;
	char copy[COMMAND_LINE_MAX];
	size_t len = strcspn(answer, "\n");

	if (len >= sizeof(copy) || answer + len >= end)
		return -1;
	memcpy(copy, answer, len);
	read_line(copy, len, &line);
	if (value_of(&line, "error")[0] == '\0')
		return -1;
	complain("the agent refuses", NULL, value_of(&line, "error"));
	return EX_DATAERR;
}

static void
print_answer(char *answer, const char *end, bool json)
{
	struct line *line = malloc(sizeof(*line));

	if (line == NULL)
		return;
	for (size_t n = 0; answer < end; n++) {
		size_t len = strcspn(answer, "\n");

		if (json) {
			printf("%s{", n > 1 ? "," : "");
			print_pairs(answer, len);
			printf("%s", n == 0 ? ",\"services\":[" : "}");
		} else {
			read_line(answer, len, line);
			if (n == 0)
				print_whole(line);
			else
				print_service(line);
		}
		answer += len + 1;
	}
	if (json)
		printf("]}\n");
	free(line);
}

static int
take_answer(char *answer, long len, const char *path, bool json)
{
	char *end = len > 0 ? find_end(answer, (size_t)len) : NULL;
	int result;

	if (end == NULL) {
		complain("the agent at", path,
		    "it did not answer in time, or not to the end");
		return EX_UNAVAILABLE;
	}
	if ((result = say_error(answer, end)) < 0) {
		print_answer(answer, end, json);
		result = EX_OK;
	}
	return result;
}

int
command_run(const struct settings *settings)
{
	const struct option_list *words = &settings->options.command;
	char path[SOCKET_PATH_MAX], question[COMMAND_LINE_MAX];
	size_t len = write_question(words, question);
	char *answer;
	int result;
	long got;

	if (!settings_socket_path(settings, path)) {
		complain(words->items[0], NULL,
		    "neither control_socket nor state_file is set");
		return EX_CONFIG;
	}
	if ((answer = calloc(1, COMMAND_ANSWER_MAX + 1)) == NULL)
		return EX_OSERR;
	got = local_door_ask(
	    path, PATIENCE_MS, question, len, answer, COMMAND_ANSWER_MAX);
	result = got >= 0
	    ? take_answer(answer, got, path, settings->options.json)
	    : no_agent(path, errno);
	free(answer);
	return result;
}
