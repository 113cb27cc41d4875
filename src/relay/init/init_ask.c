/* SPDX-License-Identifier: MIT */
#include "relay/init/init_ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/option_value.h"
#include "relay/init/init_plan.h"

#define ANSWER_MAX 1024

/* One answer without its newline; false: the terminal has ended, or it is longer than anybody
 * means. */
static bool
ask(const char *question, const char *by_default, char answer[ANSWER_MAX])
{
	printf("%s [%s]: ", question, by_default);
	fflush(stdout);
	if (fgets(answer, ANSWER_MAX, stdin) == NULL ||
	    strchr(answer, '\n') == NULL) {
		printf("\n");
		return false;
	}
	answer[strcspn(answer, "\r\n")] = '\0';
	return true;
}

static const char *
check_yes(const char *answer)
{
	return strcmp(answer, "yes") == 0 || strcmp(answer, "no") == 0 ||
		strcmp(answer, "y") == 0 || strcmp(answer, "n") == 0
	    ? NULL
	    : "allowed: yes or no";
}

static const char *
check_relays(const char *answer)
{
	uint64_t number;

	return str_to_number(str_of(answer), INIT_RELAYS_MAX, &number) &&
		number > 0
	    ? NULL
	    : "allowed: 1 to 64";
}

static const char *
check_file(const char *answer)
{
	return access(answer, R_OK) == 0 ? NULL
					 : "there is no such file to be read";
}

/* Until the answer is right; an empty one is the default, which is not checked. */
static bool
ask_until(const char *question, const char *by_default,
    const char *(*check)(const char *answer), char answer[ANSWER_MAX])
{
	const char *allowed;

	for (;;) {
		if (!ask(question, by_default, answer))
			return false;
		if (answer[0] == '\0' && by_default[0] != '\0')
			return true;
		if ((allowed = check(answer)) == NULL)
			return true;
		printf("  \"%s\": %s\n", answer, allowed);
	}
}

static bool
ask_all(struct init_options *options, bool *enough_memory)
{
	char answer[ANSWER_MAX];

	if (options->words.count == 0) {
		if (!ask_until("The domain that devices get names under", "",
			init_check_domain, answer))
			return false;
		if (option_list_add(&options->words, answer) != 0)
			return *enough_memory = false;
	}
	if (!options->stand_alone && options->relays == 0) {
		if (!ask_until("One relay alone, without Redis and HAProxy?",
			"no", check_yes, answer))
			return false;
		options->stand_alone = answer[0] == 'y';
	}
	if (!options->stand_alone && options->relays == 0) {
		if (!ask_until(
			"How many relays", "one a core", check_relays, answer))
			return false;
		options->relays = strtol(answer, NULL, 10);
	}
	if (options->certificate != NULL)
		return true;
	if (!ask_until("File with the certificate for all names of the domain",
		"make a self-signed one", check_file, answer))
		return false;
	if (answer[0] == '\0')
		return true;
	if ((options->certificate = strdup(answer)) == NULL)
		return *enough_memory = false;
	if (!ask_until("File with its key", "the same", check_file, answer))
		return false;
	if (answer[0] != '\0' && (options->key = strdup(answer)) == NULL)
		return *enough_memory = false;
	return true;
}

int
init_ask(struct init_options *options)
{
	bool enough_memory = true;

	if (ask_all(options, &enough_memory))
		return EX_OK;
	return enough_memory
	    ? init_fail(EX_USAGE, "there was no answer: nothing was written")
	    : init_fail(EX_OSERR, "out of memory");
}
