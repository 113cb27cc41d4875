/* SPDX-License-Identifier: MIT */
/* The device's secrets: read, drawn, written. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "agent/secret_store.h"
#include "agent/state_file.h"
#include "base/log.h"
#include "net/crypto.h"
#include "wire/control_msg.h"
#include "wire/form.h"
#include "wire/handshake.h"

#define SUFFIX ".secret"
#define ASIDE ".old"
#define SECRET_BYTES 32 /* random ones; their base64url is the secret */
#define SUM_KEY "&sum=" /* what comes before it is what it is the hash of */
/* two secrets whose padding is escaped, a name, two hashes, and the keys */
#define LINE_MAX_BYTES 2048

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

/* ---- the line in the file ---- */

static void
put(struct writer *w, bool *first, const char *key, const char *value)
{
	if (*value != '\0')
		form_put(w, first, key, str_of(value));
}

static size_t
encode(const struct secret_store *store, char line[LINE_MAX_BYTES])
{
	char sum[TAUPE_SHA256_LEN + 1];
	struct writer w;
	bool first = true;

	writer_init(&w, line, LINE_MAX_BYTES);
	put(&w, &first, "name", store->name);
	put(&w, &first, "given", store->given_sha256);
	put(&w, &first, "secret", store->secret);
	put(&w, &first, "old", store->old);
	put(&w, &first, "enrolled", store->enrolled ? "1" : "");
	sha256_hex(line, writer_len(&w), sum);
	writer_cstr(&w, SUM_KEY);
	writer_cstr(&w, sum);
	return w.full ? 0 : writer_len(&w);
}

static bool
take(struct secret_store *store, const struct form_pair *pair)
{
	if (str_equal(pair->key, STR("name")))
		return str_copy(pair->value, store->name, sizeof(store->name));
	if (str_equal(pair->key, STR("given")))
		return control_sha256_valid(pair->value) &&
		    str_copy(pair->value, store->given_sha256,
			sizeof(store->given_sha256));
	if (str_equal(pair->key, STR("secret")))
		return handshake_secret_valid(pair->value) &&
		    str_copy(pair->value, store->secret, sizeof(store->secret));
	if (str_equal(pair->key, STR("old")))
		return handshake_secret_valid(pair->value) &&
		    str_copy(pair->value, store->old, sizeof(store->old));
	if (str_equal(pair->key, STR("enrolled")))
		store->enrolled = true;
	return true;
}

/* Is the line whole? Cuts off its sum. */
static bool
check_sum(char *line, size_t *len)
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

/* False: it is damaged. */
static bool
decode(struct secret_store *store, char *line, size_t len)
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

/* ---- the file ---- */

static int
keep(const struct secret_store *store)
{
	char line[LINE_MAX_BYTES];
	size_t len = encode(store, line);
	int result, saved;

	if (store->path == NULL || len == 0) {
		errno = store->path == NULL ? ENOENT : EMSGSIZE;
		return -1;
	}
	result = state_file_write(store->path, line, len);
	saved = errno;
	crypto_wipe(line, sizeof(line));
	errno = saved;
	return result;
}

/* The file is of no use here, but may be the only place where a secret is. */
static void
put_aside(const char *path, const char *why)
{
	char aside[4096 + sizeof(SUFFIX ASIDE)];

	snprintf(aside, sizeof(aside), "%s" ASIDE, path);
	if (rename(path, aside) == 0)
		log_warn("the file of the device's own secrets is put aside",
		    LOG_S("file", path), LOG_S("to", aside),
		    LOG_S("reason", why));
	else
		log_error("the file of the device's own secrets cannot be put "
			  "aside",
		    LOG_S("file", path), LOG_S("reason", why),
		    LOG_S("error", log_errno()));
}

/* Why what was found in the file is not what counts; NULL: it is. */
static const char *
why_not(const struct secret_store *found, const char *name, const char *given)
{
	char given_sha256[TAUPE_SHA256_LEN + 1];

	if (strcmp(found->name, name) != 0)
		return "it belongs to a device of another name";
	if (given[0] == '\0' || strcmp(given, found->secret) == 0)
		return NULL;
	sha256_hex(given, strlen(given), given_sha256);
	if (strcmp(found->given_sha256, given_sha256) != 0)
		return "the configuration gives another secret than the one "
		       "that it descends from";
	return NULL;
}

static void
check_mode(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0 || !(st.st_mode & (S_IRWXG | S_IRWXO)))
		return;
	log_warn("the file of the device's own secrets was open to others: "
		 "have the secret rotated",
	    LOG_S("file", path));
	if (chmod(path, S_IRUSR | S_IWUSR) != 0)
		log_warn("it cannot be closed", LOG_S("file", path),
		    LOG_S("error", log_errno()));
}

/*
 * Read the file. EX_OK: *len is how long its line is, LINE_MAX_BYTES when that is too long, or
 * -1 when there is no file. Who may not even look into the folder has never kept anything
 * there; but a file that is there and cannot be read may hold the secret that counts.
 */
static int
read_line(const char *path, char line[LINE_MAX_BYTES], long *len)
{
	struct stat st;

	*len = -1;
	if (stat(path, &st) != 0) {
		if (errno == EACCES)
			log_warn("the folder for the device's own secrets is "
				 "closed to us",
			    LOG_S("file", path), LOG_S("error", log_errno()));
		if (errno == EACCES || errno == ENOENT || errno == ENOTDIR)
			return EX_OK;
	} else if ((*len = state_file_read(path, line, LINE_MAX_BYTES)) >= 0) {
		return EX_OK;
	} else if (errno == EFBIG) {
		*len = LINE_MAX_BYTES;
		return EX_OK;
	}
	log_error("the file of the device's own secrets cannot be read",
	    LOG_S("file", path), LOG_S("error", log_errno()));
	return EX_NOINPUT;
}

/* Take the file's secrets if they are what counts. */
static int
load(struct secret_store *store, const char *name, const char *given)
{
	struct secret_store found = {.path = store->path};
	char line[LINE_MAX_BYTES];
	const char *why = "it is damaged";
	long len;
	int result = read_line(store->path, line, &len);

	if (result == EX_OK && len >= 0) {
		check_mode(store->path);
		if (len < LINE_MAX_BYTES && decode(&found, line, (size_t)len))
			why = why_not(&found, name, given);
		if (why == NULL) {
			/* the operator has taken over what we have drawn: the next one
			 * descends from that */
			if (given[0] != '\0' &&
			    strcmp(given, found.secret) == 0)
				memcpy(found.given_sha256, found.sha256,
				    sizeof(found.given_sha256));
			*store = found;
		} else
			put_aside(store->path, why);
	}
	crypto_wipe(line, sizeof(line));
	crypto_wipe(&found, sizeof(found));
	return result;
}

int
secret_store_init(struct secret_store *store, const char *state_file,
    const char *name, const char *given)
{
	size_t len;
	int result;

	memset(store, 0, sizeof(*store));
	if (state_file != NULL) {
		len = strlen(state_file) + sizeof(SUFFIX);
		if ((store->path = malloc(len)) == NULL)
			return EX_OSERR;
		snprintf(store->path, len, "%s" SUFFIX, state_file);
		if ((result = load(store, name, given)) != EX_OK)
			return result;
	}
	if (store->secret[0] != '\0')
		return EX_OK;
	snprintf(store->name, sizeof(store->name), "%s", name);
	set_secret(store, given);
	memcpy(store->given_sha256, store->sha256, sizeof(store->sha256));
	return EX_OK;
}

void
secret_store_fini(struct secret_store *store)
{
	free(store->path);
	crypto_wipe(store, sizeof(*store));
}

/* ---- drawing ---- */

static void
draw(struct secret_store *store)
{
	uint8_t random[SECRET_BYTES];
	char secret[TAUPE_SECRET_MAX + 1];

	crypto_random(random, sizeof(random));
	crypto_base64url_encode(random, sizeof(random), secret, sizeof(secret));
	set_secret(store, secret);
	crypto_wipe(random, sizeof(random));
	crypto_wipe(secret, sizeof(secret));
}

int
secret_store_need(struct secret_store *store)
{
	if (store->secret[0] != '\0')
		return EX_OK;
	draw(store);
	if (keep(store) == 0) {
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
		snprintf(why, SECRET_STORE_WHY_MAX, "the device has no secret");
		return -1;
	}
	if (with == TAUPE_OLD_SECRET)
		return 0;
	fresh = *store;
	memcpy(fresh.old, store->secret, sizeof(fresh.old));
	draw(&fresh);
	if ((result = keep(&fresh)) == 0)
		*store = fresh;
	else
		snprintf(why, SECRET_STORE_WHY_MAX,
		    "a secret cannot be kept: %s (%.160s)", strerror(errno),
		    store->path != NULL ? store->path : "no state_file");
	crypto_wipe(&fresh, sizeof(fresh));
	return result;
}

void
secret_store_welcomed(struct secret_store *store)
{
	/* a given secret was taken in by the operator, and needs no file for that */
	if (store->enrolled || store->given_sha256[0] != '\0' ||
	    store->secret[0] == '\0')
		return;
	store->enrolled = true;
	if (keep(store) != 0)
		log_warn("that the device is enrolled cannot be kept: it will "
			 "come with its enrolment key again",
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
	config->enrolled = store->enrolled;
}
