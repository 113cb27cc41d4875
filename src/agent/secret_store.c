/* SPDX-License-Identifier: MIT */
/* The device's secrets: read, drawn, written. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "agent/secret_store.h"
#include "agent/state_file.h"
#include "base/error_text.h"
#include "base/log.h"
#include "net/crypto.h"
#include "wire/form.h"

#define SUFFIX ".secret"
#define SECRET_BYTES 32 /* random ones; their base64url is the secret */
#define SUM_KEY "&sum=" /* what comes before it is what it is the hash of */
/* two secrets whose padding is escaped, a name, two hashes, and the keys */
#define LINE_MAX_BYTES 2048
#define FILE_MAX_BYTES (8 * LINE_MAX_BYTES)
#define ASIDE_MAX 99 /* files that were moved aside */
#define ASIDE_LEN_MAX 4096
#define PLACE_MAX FILE_MAX_BYTES /* more than there are lines */

static void
sha256_hex(const char *text, size_t len, char out[TAUPE_SHA256_LEN + 1])
{
	uint8_t digest[SHA256_LEN];
	struct writer w;

	crypto_sha256(text, len, digest);
	writer_init(&w, out, TAUPE_SHA256_LEN);
	writer_hex(&w, digest, sizeof(digest));
	out[TAUPE_SHA256_LEN] = '\0';
	crypto_wipe(digest, sizeof(digest));
}

static void
set_secret(struct secret_store *store, const char *secret)
{
	snprintf(store->secret, sizeof(store->secret), "%s", secret);
	store->sha256[0] = '\0';
	if (secret[0] != '\0')
		sha256_hex(secret, strlen(secret), store->sha256);
}

/* ---- a line of the file ---- */

static void
put(struct writer *w, const char *key, const char *value)
{
	if (*value != '\0')
		form_put(w, key, str_of(value));
}

static size_t
encode(const struct secret_store *store, char line[LINE_MAX_BYTES])
{
	char sum[TAUPE_SHA256_LEN + 1];
	struct writer w;

	writer_init(&w, line, LINE_MAX_BYTES);
	put(&w, "name", store->name);
	put(&w, "given", store->given_sha256);
	put(&w, "secret", store->secret);
	put(&w, "old", store->old);
	put(&w, "enrolled", store->enrolled ? "1" : "");
	sha256_hex(line, writer_len(&w), sum);
	writer_cstr(&w, SUM_KEY);
	writer_cstr(&w, sum);
	return w.full ? 0 : writer_len(&w);
}

static bool
take_secret(struct str value, char secret[TAUPE_SECRET_MAX + 1])
{
	return str_copy(value, secret, TAUPE_SECRET_MAX + 1) &&
	    taupe_secret_valid(secret);
}

static bool
take_sum(struct str value, char sum[TAUPE_SHA256_LEN + 1])
{
	return str_copy(value, sum, TAUPE_SHA256_LEN + 1) &&
	    strspn(sum, "0123456789abcdef") == TAUPE_SHA256_LEN;
}

static bool
take(struct secret_store *store, const struct form_pair *pair)
{
	if (str_equal(pair->key, STR("name")))
		return str_copy(pair->value, store->name, sizeof(store->name));
	if (str_equal(pair->key, STR("given")))
		return take_sum(pair->value, store->given_sha256);
	if (str_equal(pair->key, STR("secret")))
		return take_secret(pair->value, store->secret);
	if (str_equal(pair->key, STR("old")))
		return take_secret(pair->value, store->old);
	if (str_equal(pair->key, STR("enrolled")))
		store->enrolled = true;
	return true;
}

/* Is the line whole? Cuts off its sum. */
static bool
check_sum(const char *line, size_t *len)
{
	const size_t tail = sizeof(SUM_KEY) - 1 + TAUPE_SHA256_LEN;
	char sum[TAUPE_SHA256_LEN + 1];

	if (*len < tail)
		return false;
	*len -= tail;
	sha256_hex(line, *len, sum);
	return memcmp(line + *len, SUM_KEY, sizeof(SUM_KEY) - 1) == 0 &&
	    memcmp(line + *len + sizeof(SUM_KEY) - 1, sum, TAUPE_SHA256_LEN) ==
	    0;
}

static bool
decode_in_place(struct secret_store *store, char *line, size_t len)
{
	struct form_reader reader;
	struct form_pair pair;
	enum wire_result result;

	if (!check_sum(line, &len))
		return false;
	form_reader_init(&reader, line, len);
	while ((result = form_next(&reader, &pair)) == WIRE_DONE)
		if (!take(store, &pair))
			return false;
	if (result == WIRE_BAD || store->secret[0] == '\0')
		return false;
	sha256_hex(store->secret, strlen(store->secret), store->sha256);
	return true;
}

/* False: it is damaged. */
static bool
decode(struct secret_store *store, struct str line)
{
	char copy[LINE_MAX_BYTES];
	bool whole = line.len < sizeof(copy);

	*store = (struct secret_store){0};
	if (whole) {
		memcpy(copy, line.ptr, line.len);
		whole = decode_in_place(store, copy, line.len);
		crypto_wipe(copy, sizeof(copy));
	}
	return whole;
}

/* ---- the file ---- */

struct text {
	char bytes[FILE_MAX_BYTES];
	size_t len;
};

/* The next line of the rest, without its end. False: there is none. */
static bool
next_line(struct str *rest, struct str *line)
{
	while (rest->len > 0) {
		(void)str_split(*rest, '\n', line, rest);
		if (line->len > 0)
			return true;
	}
	return false;
}

/* Does the line hold what this is about to take the place of? What the operator has taken over
 * stays in its line as well: who gives what was given before has that. */
static bool
follows_upon(const struct secret_store *store, struct str line)
{
	struct secret_store found;
	bool follows = decode(&found, line) &&
	    strcmp(found.name, store->name) == 0 &&
	    strcmp(found.given_sha256, store->given_sha256) == 0 &&
	    (strcmp(found.secret, store->old) == 0 ||
		strcmp(found.secret, store->secret) == 0);

	crypto_wipe(&found, sizeof(found));
	return follows;
}

/* Append a line of the file, as it is. -1 with errno: there is no room for it and its end. */
static int
append(struct text *text, struct str line)
{
	if (text->len + line.len + 3 > sizeof(text->bytes)) {
		errno = EFBIG;
		return -1;
	}
	text->bytes[text->len++] = '\n';
	memcpy(text->bytes + text->len, line.ptr, line.len);
	text->len += line.len;
	return 0;
}

/* The file as it shall be: other lines than the one that goes may be the only place where a
 * secret is. -1 with errno. */
static int
compose(struct text *text, const struct secret_store *store)
{
	struct text was;
	struct str rest, line;
	long len;
	int result;

	if ((text->len = encode(store, text->bytes)) == 0) {
		errno = EMSGSIZE;
		return -1;
	}
	len = state_file_read_whole(store->path, was.bytes, sizeof(was.bytes));
	result = len < 0 ? -1 : 0;
	rest = (struct str){was.bytes, len < 0 ? 0 : (size_t)len};
	while (result == 0 && next_line(&rest, &line))
		if (!follows_upon(store, line))
			result = append(text, line);
	crypto_wipe(&was, sizeof(was));
	return result;
}

static int
keep(struct secret_store *store)
{
	struct text text;
	int result, saved;

	if (store->path == NULL) {
		errno = ENOENT;
		return -1;
	}
	if ((result = compose(&text, store)) == 0)
		result = state_file_write(store->path, text.bytes, text.len);
	saved = errno;
	if (result == 0)
		store->place = 0;
	crypto_wipe(&text, sizeof(text));
	errno = saved;
	return result;
}

/* Is this the secret that the operator gives now? */
static bool
is_configured(const struct secret_store *store, const char *secret)
{
	char sha256[TAUPE_SHA256_LEN + 1];

	sha256_hex(secret, strlen(secret), sha256);
	return strcmp(sha256, store->configured_sha256) == 0;
}

/* Why what was found in a line is not what counts; NULL: it is. */
static const char *
why_not(const struct secret_store *store, struct secret_store *found)
{
	if (strcmp(found->name, store->name) != 0)
		return "they belong to a device of another name";
	if (store->configured_sha256[0] == '\0')
		return NULL;
	/* the operator has taken over what we have drawn: the next one descends from that */
	if (is_configured(store, found->secret) ||
	    is_configured(store, found->old))
		memcpy(found->given_sha256, store->configured_sha256,
		    sizeof(found->given_sha256));
	if (strcmp(found->given_sha256, store->configured_sha256) != 0)
		return "the configuration gives another secret than the one "
		       "that they descend from";
	return NULL;
}

static void
check_mode(const char *path)
{
	bool open;

	if (state_file_look(path, &open) != 0 || !open)
		return;
	log_warn("the file of the device's own secrets was open to others: "
		 "have the secret rotated",
	    LOG_S("file", path));
	if (state_file_make_private(path) != 0)
		log_warn("it cannot be closed", LOG_S("file", path),
		    LOG_S("error", log_errno()));
}

/* How long the lines are that the file has; of one that is too long, those at its front, each
 * of which tells whether it is whole. -1 with errno. */
static long
read_lines(const char *path, struct text *text)
{
	long len =
	    state_file_read_whole(path, text->bytes, sizeof(text->bytes));

	return len < 0 && errno == EFBIG ? (long)sizeof(text->bytes) : len;
}

/*
 * Read the file. EX_OK: *len is how long its lines are, -1 when there is none. Who may not
 * even look into the folder has never kept anything there; but a file that is there and
 * cannot be read may hold the secret that counts.
 */
static int
read_file(const char *path, struct text *text, long *len)
{
	bool open;

	*len = -1;
	if (state_file_look(path, &open) != 0) {
		if (errno == EACCES)
			log_warn("the folder for the device's own secrets is "
				 "closed to us",
			    LOG_S("file", path), LOG_S("error", log_errno()));
		if (errno == EACCES || errno == ENOENT || errno == ENOTDIR)
			return EX_OK;
	} else if ((*len = read_lines(path, text)) >= 0) {
		return EX_OK;
	}
	log_error("the file of the device's own secrets cannot be read",
	    LOG_S("file", path), LOG_S("error", log_errno()));
	return EX_NOINPUT;
}

/* Have the secrets that `from` has instead. The given one is not lost, and in one place only. */
static void
have(struct secret_store *store, const struct secret_store *from)
{
	char configured[TAUPE_SECRET_MAX + 1];

	if (is_configured(store, store->secret))
		memcpy(configured, store->secret, sizeof(configured));
	else if (is_configured(store, store->old))
		memcpy(configured, store->old, sizeof(configured));
	else
		memcpy(configured, store->configured, sizeof(configured));
	set_secret(store, from->secret);
	memcpy(store->old, from->old, sizeof(store->old));
	memcpy(store->given_sha256, from->given_sha256,
	    sizeof(store->given_sha256));
	store->enrolled = from->enrolled;
	crypto_wipe(store->drawn, sizeof(store->drawn));
	crypto_wipe(store->configured, sizeof(store->configured));
	if (strcmp(configured, store->secret) != 0 &&
	    strcmp(configured, store->old) != 0)
		memcpy(store->configured, configured, sizeof(configured));
	crypto_wipe(configured, sizeof(configured));
}

/* Take the first that counts of the file's lines from this place on and before that one. NULL,
 * or why none does. */
static const char *
find(struct secret_store *store, struct str rest, unsigned from, unsigned until)
{
	const char *why = "the file is damaged";
	struct secret_store found = {0};
	struct str line;
	unsigned place;

	for (place = 0; why != NULL && place < until && next_line(&rest, &line);
	     place++)
		if (place >= from && decode(&found, line))
			why = why_not(store, &found);
	if (why == NULL) {
		have(store, &found);
		store->place = place - 1;
	}
	crypto_wipe(&found, sizeof(found));
	return why;
}

static int
load(struct secret_store *store)
{
	struct text text;
	const char *why = NULL;
	long len;
	int result = read_file(store->path, &text, &len);

	if (result == EX_OK && len >= 0) {
		check_mode(store->path);
		why = find(
		    store, (struct str){text.bytes, (size_t)len}, 0, PLACE_MAX);
	}
	if (why != NULL)
		log_warn("the device's own secrets are not used, and stay in "
			 "their file",
		    LOG_S("file", store->path), LOG_S("reason", why));
	crypto_wipe(&text, sizeof(text));
	return result;
}

int
secret_store_init(struct secret_store *store, const char *state_file,
    const char *name, const char *given)
{
	size_t len;

	memset(store, 0, sizeof(*store));
	snprintf(store->name, sizeof(store->name), "%s", name);
	set_secret(store, given);
	memcpy(store->given_sha256, store->sha256, sizeof(store->sha256));
	memcpy(store->configured_sha256, store->sha256, sizeof(store->sha256));
	if (state_file == NULL)
		return EX_OK;
	len = strlen(state_file) + sizeof(SUFFIX);
	if ((store->path = malloc(len)) == NULL)
		return EX_OSERR;
	snprintf(store->path, len, "%s" SUFFIX, state_file);
	return load(store);
}

/* Take the given secret itself, unless it is what the relay has refused already. */
static bool
have_configured(struct secret_store *store)
{
	struct secret_store given = {0};

	if (store->configured[0] == '\0')
		return false;
	memcpy(given.secret, store->configured, sizeof(given.secret));
	memcpy(given.given_sha256, store->configured_sha256,
	    sizeof(given.given_sha256));
	have(store, &given);
	store->place = PLACE_MAX;
	crypto_wipe(&given, sizeof(given));
	return true;
}

bool
secret_store_next(struct secret_store *store)
{
	struct text text;
	struct str lines;
	long len = -1;
	bool other = false;

	if (store->path != NULL)
		len = read_lines(store->path, &text);
	if (len >= 0) {
		lines = (struct str){text.bytes, (size_t)len};
		other =
		    find(store, lines, store->place + 1, PLACE_MAX) == NULL ||
		    have_configured(store) ||
		    find(store, lines, 0, store->place) == NULL;
	}
	crypto_wipe(&text, sizeof(text));
	return other;
}

void
secret_store_fini(struct secret_store *store)
{
	free(store->path);
	crypto_wipe(store, sizeof(*store));
}

/* ---- drawing ---- */

/* What could not be kept is drawn no second time: the file may have it, and would have a line
 * more at each attempt. */
static void
draw(struct secret_store *store)
{
	uint8_t random[SECRET_BYTES];

	if (store->drawn[0] == '\0') {
		crypto_random(random, sizeof(random));
		crypto_base64url_encode(
		    random, sizeof(random), store->drawn, sizeof(store->drawn));
		crypto_wipe(random, sizeof(random));
	}
	set_secret(store, store->drawn);
}

/* Nothing in the file is this device's, and there is no room: have another file. -1 with errno. */
static int
move_aside(const struct secret_store *store)
{
	char aside[ASIDE_LEN_MAX];
	int is_free;

	for (unsigned n = 1; n <= ASIDE_MAX; n++) {
		if ((size_t)snprintf(aside, sizeof(aside), "%s.%u", store->path,
			n) >= sizeof(aside)) {
			errno = ENAMETOOLONG;
			return -1;
		}
		if ((is_free = state_file_is_free(aside)) == 0)
			continue;
		if (is_free < 0 || state_file_rename(store->path, aside) != 0)
			return -1;
		log_warn("the file of the device's own secrets is full or "
			 "damaged, has none of this device, and was moved "
			 "aside: remove it if nobody needs it",
		    LOG_S("file", store->path), LOG_S("to", aside));
		return 0;
	}
	errno = EFBIG;
	return -1;
}

int
secret_store_need(struct secret_store *store)
{
	int result;

	if (store->secret[0] != '\0')
		return EX_OK;
	draw(store);
	result = keep(store);
	if (result != 0 && errno == EFBIG && move_aside(store) == 0)
		result = keep(store);
	if (result == 0) {
		crypto_wipe(store->drawn, sizeof(store->drawn));
		log_info("the device has drawn its secret",
		    LOG_S("device", store->name), LOG_S("file", store->path));
		return EX_OK;
	}
	set_secret(store, "");
	log_error("an enrolment needs a place to keep the device's secret: "
		  "state_file names its folder",
	    LOG_S("file", store->path), LOG_S("error", log_errno()));
	return EX_CANTCREAT;
}

int
secret_store_rotate(struct secret_store *store, enum taupe_credential with,
    char why[SECRET_STORE_WHY_MAX])
{
	struct secret_store fresh;
	int result;

	if (store->secret[0] == '\0') {
		snprintf(why, SECRET_STORE_WHY_MAX,
		    "the agent has a tls_certificate and no secret: renew "
		    "that, or set its secret_file (rotate --now)");
		return -1;
	}
	if (with == TAUPE_OLD_SECRET)
		return 0;
	fresh = *store;
	memcpy(fresh.old, store->secret, sizeof(fresh.old));
	/* it is needed still, for a registry that has it again */
	if (is_configured(store, store->old))
		memcpy(fresh.configured, store->old, sizeof(fresh.configured));
	draw(&fresh);
	if ((result = keep(&fresh)) == 0) {
		crypto_wipe(fresh.drawn, sizeof(fresh.drawn));
		*store = fresh;
	} else {
		memcpy(store->drawn, fresh.drawn, sizeof(store->drawn));
		snprintf(why, SECRET_STORE_WHY_MAX,
		    "a secret cannot be kept: %s (%.160s)%s", error_text(errno),
		    store->path != NULL ? store->path : "no state_file",
		    errno == EFBIG ? ": take out its last lines, the oldest"
				   : "");
	}
	crypto_wipe(&fresh, sizeof(fresh));
	return result;
}

/* Who has a secret that descends from a given one was taken in by the operator. */
static bool
is_taken_in(const struct secret_store *store)
{
	return store->enrolled || store->given_sha256[0] != '\0';
}

void
secret_store_welcomed(struct secret_store *store)
{
	if (store->secret[0] == '\0' ||
	    (is_taken_in(store) && store->place == 0))
		return;
	if (!is_taken_in(store))
		store->enrolled = true;
	if (keep(store) != 0)
		log_warn("what the relay takes us with cannot be kept: the "
			 "next start begins with what it refuses, or with the "
			 "enrolment key",
		    LOG_S("file", store->path), LOG_S("error", log_errno()));
}

void
secret_store_apply(
    const struct secret_store *store, struct taupe_config *config)
{
	bool some = store->secret[0] != '\0';

	config->secret = some ? store->secret : NULL;
	config->secret_sha256 = some ? store->sha256 : NULL;
	config->old_secret = store->old[0] != '\0' ? store->old : NULL;
	config->enrolled = is_taken_in(store);
}
