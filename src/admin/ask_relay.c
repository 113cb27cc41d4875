/* SPDX-License-Identifier: MIT */
#include "admin/ask_relay.h"

#include <stdio.h>
#include <stdlib.h>

#include "admin/admin_internal.h"
#include "base/printable.h"
#include "net/http_ask.h"

#define WHAT_MAX 500 /* bytes of what the relay says */

/* What listens there may say anything, and a terminal shows it. */
static const char *
what_of(const json_t *said, char text[WHAT_MAX])
{
	const char *what = json_string_value(json_object_get(said, "what"));

	if (what == NULL)
		return NULL;
	snprintf(text, WHAT_MAX, "%s", what);
	make_printable(text);
	return text;
}

/* It says no, and why: else it is no relay. */
static int
fail_status(struct admin *admin, int status, const json_t *said)
{
	char text[WHAT_MAX];
	const char *what = what_of(said, text);

	switch (what != NULL ? status : 0) {
	case 401:
		return admin_fail(admin, ADMIN_REFUSED,
		    "the relay at %s: %s. Give one with --admin-token-file "
		    "FILE: "
		    "taupectl token add NAME --role ROLE prints it",
		    admin->relay, what);
	case 403:
		return admin_fail(admin, ADMIN_REFUSED, "the relay at %s: %s",
		    admin->relay, what);
	case 404:
		return admin_fail(admin, ADMIN_UNKNOWN, "%s", what);
	case 409:
		return admin_fail(admin, ADMIN_IMPOSSIBLE, "%s", what);
	default:
		return admin_fail(admin, ADMIN_DOWN,
		    "the relay at %s answers with status %d%s%s", admin->relay,
		    status, what != NULL ? ": " : "", what != NULL ? what : "");
	}
}

static int
take_answer(
    struct admin *admin, const struct http_ask_answer *answer, json_t **json)
{
	json_error_t error;
	json_t *said = json_loadb(answer->body, answer->len, 0, &error);
	int code = ADMIN_OK;

	if (answer->status < 200 || answer->status > 299)
		code = fail_status(admin, answer->status, said);
	else if (!json_is_object(said))
		code = admin_fail(admin, ADMIN_NONSENSE,
		    "the relay at %s gave no JSON object: %s", admin->relay,
		    error.text);
	if (code == ADMIN_OK)
		*json = said;
	else
		json_decref(said);
	return code;
}

static int
ask(struct admin *admin, const char *path, bool post, json_t **json)
{
	struct http_question question = {.path = path,
	    .token = admin->relay_token,
	    .post = post,
	    .timeout_ms = (uint64_t)admin->registry->redis_timeout_ms};
	char error[HTTP_ASK_ERROR_MAX];
	struct http_ask_answer answer;
	int code;

	*json = NULL;
	if (admin->relay == NULL)
		return admin_fail(admin, ADMIN_NOT_GIVEN,
		    "--admin ADDRESS:PORT is missing: the admin_listen of "
		    "the relay that stands alone");
	(void)address_parse(str_of(admin->relay),
	    &question.address); /* checked with the option */
	if (http_ask(&question, &answer, error) != 0)
		return admin_fail(admin, ADMIN_DOWN,
		    "the relay's admin server at %s: %s", admin->relay, error);
	code = take_answer(admin, &answer, json);
	free(answer.body);
	return code;
}

int
admin_ask_relay(struct admin *admin, const char *path, json_t **json)
{
	return ask(admin, path, false, json);
}

int
admin_tell_relay(struct admin *admin, const char *path, json_t **json)
{
	return ask(admin, path, true, json);
}
