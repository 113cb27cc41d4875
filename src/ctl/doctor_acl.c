/* SPDX-License-Identifier: MIT */
/*
 * Who may do what in Redis, against redis/users.acl as it was when this program was built. Redis
 * tells a user's rights in words of its own: "+@transaction -discard" for what the file lists one
 * by one. So both are worked out into the commands that they allow, and these are compared.
 */
#include "ctl/doctor.h"

#include <stdio.h>

#include "ctl/users_acl.h"

#define DIFFERENCES_MAX 400 /* bytes of what is shown */
#define NEED                                                                   \
	"ACL SETUSER NAME reset and its line of redis/users.acl with the "     \
	"password's hash, as redis/KEYS.md says"

struct rights {
	json_t *commands, *keys; /* sets: objects of true */
	bool all_commands;
};

static void
set_put(json_t *set, struct str word, bool in)
{
	char key[300];

	if (!str_copy(word, key, sizeof(key)))
		return;
	if (in)
		json_object_set_new(set, key, json_true());
	else
		json_object_del(set, key);
}

/* All commands of a category, in or out. False: Redis does not tell. */
static bool
put_category(struct doctor *doctor, json_t *set, struct str name, bool in)
{
	redisReply *reply =
	    doctor_ask(doctor, "redis acl", "ACL CAT %b", name.ptr, name.len);
	bool known = reply != NULL && reply->type == REDIS_REPLY_ARRAY;

	for (size_t i = 0; known && i < reply->elements; i++)
		if (reply->element[i]->type == REDIS_REPLY_STRING)
			set_put(set,
			    (struct str){
				reply->element[i]->str, reply->element[i]->len},
			    in);
	redis_sync_reply_free(&reply);
	return known;
}

/* One word of a list of rights: "+get", "-@all", "%R~taupe:routes". Others say nothing of what is
 * allowed. False: Redis does not tell. */
static bool
apply(struct doctor *doctor, struct rights *rights, struct str word)
{
	bool in = word.len > 0 && word.ptr[0] == '+';
	struct str rest;

	if (word.len == 0)
		return true;
	rest = (struct str){word.ptr + 1, word.len - 1};
	if (word.ptr[0] == '~' || word.ptr[0] == '%') {
		set_put(rights->keys, word, true);
	} else if (!in && word.ptr[0] != '-') {
		return true;
	} else if (str_is(rest, "@all")) {
		json_object_clear(rights->commands);
		rights->all_commands = in;
	} else if (rest.len > 0 && rest.ptr[0] == '@') {
		return put_category(doctor, rights->commands,
		    (struct str){rest.ptr + 1, rest.len - 1}, in);
	} else {
		set_put(rights->commands, rest, in);
	}
	return true;
}

static bool
apply_all(struct doctor *doctor, struct rights *rights, struct str text)
{
	struct str word;
	bool known = true;

	while (known && text.len > 0) {
		(void)str_split(text, ' ', &word, &text);
		known = apply(doctor, rights, word);
	}
	return known;
}

static void
rights_init(struct rights *rights)
{
	*rights = (struct rights){json_object(), json_object(), false};
}

static void
rights_fini(struct rights *rights)
{
	json_decref(rights->commands);
	json_decref(rights->keys);
}

/* The line of that user in the file; absent: there is none. */
static struct str
line_of(const char *user)
{
	struct str file = str_of(users_acl), line, word, name, rest;

	while (file.len > 0) {
		(void)str_split(file, '\n', &line, &file);
		if (str_split(line, ' ', &word, &rest) &&
		    str_split(rest, ' ', &name, &rest) && str_is(name, user))
			return rest;
	}
	return (struct str){NULL, 0};
}

/* The member of that name of ACL GETUSER's answer, or NULL. */
static const redisReply *
member_of(const redisReply *reply, const char *name)
{
	for (size_t i = 0; i + 1 < reply->elements; i += 2)
		if (reply->element[i]->type == REDIS_REPLY_STRING &&
		    strcmp(reply->element[i]->str, name) == 0)
			return reply->element[i + 1];
	return NULL;
}

static bool
has_flag(const redisReply *reply, const char *flag)
{
	const redisReply *flags = member_of(reply, "flags");

	for (size_t i = 0; flags != NULL && i < flags->elements; i++)
		if (flags->element[i]->type == REDIS_REPLY_STRING &&
		    strcmp(flags->element[i]->str, flag) == 0)
			return true;
	return false;
}

/* Redis 6 lists patterns without "~", in an array. */
static void
take_keys(struct rights *rights, const redisReply *keys)
{
	char pattern[300];

	for (size_t i = 0; i < keys->elements; i++)
		if (keys->element[i]->type == REDIS_REPLY_STRING &&
		    snprintf(pattern, sizeof(pattern), "~%s",
			keys->element[i]->str) < (int)sizeof(pattern))
			set_put(rights->keys, str_of(pattern), true);
}

static bool
take_rights(
    struct doctor *doctor, struct rights *rights, const redisReply *reply)
{
	const redisReply *commands = member_of(reply, "commands"),
			 *keys = member_of(reply, "keys");

	if (commands == NULL || keys == NULL ||
	    commands->type != REDIS_REPLY_STRING)
		return false;
	if (keys->type == REDIS_REPLY_ARRAY)
		take_keys(rights, keys);
	else if (keys->type == REDIS_REPLY_STRING &&
	    !apply_all(doctor, rights, (struct str){keys->str, keys->len}))
		return false;
	return apply_all(
	    doctor, rights, (struct str){commands->str, commands->len});
}

/* Append what is in one set and not in the other. Before Redis 7 there is no "%R~". */
static void
append_missing(const struct doctor *doctor, char *out, const json_t *in,
    const json_t *not_in)
{
	const char *key, *plain;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)in, key, value) {
		size_t len = strlen(out);

		plain = key[0] == '%' && doctor->redis_major < 7
		    ? strchr(key, '~')
		    : key;
		if (plain == NULL || json_object_get(not_in, plain) != NULL)
			continue;
		snprintf(out + len, DIFFERENCES_MAX - len, "%s%s",
		    len > 0 ? " " : "", plain);
	}
}

static void
compare(struct doctor *doctor, const char *check, const struct rights *wanted,
    const struct rights *real)
{
	char more[DIFFERENCES_MAX] = "", less[DIFFERENCES_MAX] = "";

	if (!wanted->all_commands)
		append_missing(doctor, more, real->commands, wanted->commands);
	append_missing(doctor, more, real->keys, wanted->keys);
	append_missing(doctor, less, wanted->commands, real->commands);
	append_missing(doctor, less, wanted->keys, real->keys);
	if (real->all_commands && !wanted->all_commands)
		doctor_note(doctor, FINDING_FAIL, check, NEED,
		    "it may do everything (+@all)");
	else if (more[0] != '\0')
		doctor_note(doctor, FINDING_FAIL, check, NEED,
		    "it may do more than it needs: %s", more);
	else if (wanted->all_commands && !real->all_commands)
		doctor_note(doctor, FINDING_FAIL, check, NEED,
		    "it lacks the rights (+@all) without which Redis drops "
		    "transactions from its append-only file when it starts");
	else if (less[0] != '\0')
		doctor_note(doctor, FINDING_FAIL, check, NEED,
		    "it may not do what it needs: %s", less);
	else
		doctor_note(doctor, FINDING_OK, check, NULL,
		    "exactly what redis/users.acl says");
}

static void
judge_rights(struct doctor *doctor, const char *check, const char *user,
    const redisReply *reply)
{
	struct rights wanted, real;

	rights_init(&wanted);
	rights_init(&real);
	/* the file's keys as they are, for Redis 6 without what it does not know */
	if (!apply_all(doctor, &wanted, line_of(user)) ||
	    !take_rights(doctor, &real, reply))
		doctor_note(doctor, FINDING_SKIPPED, check,
		    "load redis/users.acl: the user taupectl may ask ACL CAT",
		    "Redis does not tell which commands are in its categories");
	else
		compare(doctor, check, &wanted, &real);
	rights_fini(&wanted);
	rights_fini(&real);
}

static void
judge_user(struct doctor *doctor, const char *user, const redisReply *reply)
{
	bool is_default = strcmp(user, "default") == 0;
	char check[40];

	snprintf(check, sizeof(check), "redis user %s", user);
	if (reply->type == REDIS_REPLY_ERROR)
		doctor_note(doctor, FINDING_SKIPPED, check,
		    "load redis/users.acl: the user taupectl may ask ACL "
		    "GETUSER",
		    "%s", reply->str);
	else if (reply->type != REDIS_REPLY_ARRAY)
		doctor_note(doctor, FINDING_WARNING, check,
		    "load redis/users.acl, as redis/KEYS.md says",
		    "there is no such user");
	else if (is_default && has_flag(reply, "off"))
		judge_rights(doctor, check, user, reply);
	else if (has_flag(reply, "off"))
		doctor_note(doctor, FINDING_OK, check, NULL, "off");
	else if (is_default)
		doctor_note(doctor, FINDING_FAIL, check,
		    "ACL SETUSER default off, and load redis/users.acl",
		    "on: who gives no name gets in%s",
		    has_flag(reply, "nopass") ? ", without a password" : "");
	else if (has_flag(reply, "nopass"))
		doctor_note(doctor, FINDING_FAIL, check, NEED,
		    "it gets in with any password (nopass)");
	else
		judge_rights(doctor, check, user, reply);
}

void
doctor_check_acl(struct doctor *doctor)
{
	static const char *const users[] = {
	    "default", "taupe-relay", "taupe-router", "taupectl",
	    "taupe-api", "taupe-webhook"};

	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		redisReply *reply =
		    doctor_ask(doctor, "redis acl", "ACL GETUSER %s", users[i]);

		if (reply == NULL)
			return;
		judge_user(doctor, users[i], reply);
		redis_sync_reply_free(&reply);
	}
}
