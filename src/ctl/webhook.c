/* SPDX-License-Identifier: MIT */
/*
 * Post, wait, post again: a receiver that does not answer keeps us from going on, and nobody
 * else, because this is a process of its own. The place is written when a body was taken, so that whoever
 * is killed sends at most that body once more.
 */
#include "config.h"

#include "ctl/webhook.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/private_file.h"
#include "base/wipe.h"
#include "net/crypto.h"
#include "net/http_post.h"
#include "net/loop.h"
#include "net/tls.h"
#include "wire/cursor.h"
#include "wire/host_name.h"
#include "wire/url.h"

#define EVENTS_MAX 100 /* in one body */
#define KEY_MAX 1024
#define KEY_MIN 16
#define REST_FIRST_MS 500
#define REST_MOST_MS 60000
#define STATE_MAX 256
#define HEAD_MAX 2048
#define GONE 410
#define TIME_MAX 24 /* characters of a time and a dot */

struct webhook {
	struct event_feed *feed;
	const char *state_file;
	struct url url;
	char host[HOST_NAME_MAX + 1];
	char key[KEY_MAX];
	size_t key_len;
	struct tls_context *tls; /* NULL: http */
	bool failing; /* which was said */
};

int
webhook_sign(const char *key, size_t key_len, uint64_t at_s, const char *body,
    size_t len, char out[WEBHOOK_SIGNATURE_MAX])
{
	char hex[2 * SHA256_LEN + 1], *text = malloc(TIME_MAX + len);
	uint8_t mac[SHA256_LEN];
	struct writer w;
	size_t n;

	if (text == NULL)
		return -1;
	n = (size_t)snprintf(text, TIME_MAX, "%" PRIu64 ".", at_s);
	memcpy(text + n, body, len);
	crypto_hmac_sha256(key, key_len, text, n + len, mac);
	free(text);
	writer_init(&w, hex, sizeof(hex) - 1);
	writer_hex(&w, mac, sizeof(mac));
	hex[writer_len(&w)] = '\0';
	snprintf(out, WEBHOOK_SIGNATURE_MAX, "t=%" PRIu64 ",v1=%s", at_s, hex);
	return 0;
}

/* ---- the place ---- */

/* Two that send from one file would each write the other's place: the lock is held until the process ends,
 * however it does. What is locked is another file, because this one is replaced. */
static int
lock_state(const struct webhook *hook)
{
	char path[4200];
	int fd;

	snprintf(path, sizeof(path), "%s.lock", hook->state_file);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		return EX_OK;
	if (fd < 0 || errno != EWOULDBLOCK)
		return ctl_fail(
		    EX_CANTCREAT, "%s: %s", path, strerror(errno));
	return ctl_fail(EX_TEMPFAIL,
	    "%s is in use by another taupectl that sends from it: stop that, "
	    "or give each its own webhook_state_file",
	    hook->state_file);
}

bool
webhook_state_parse(
    struct str text, char place[EVENT_PLACE_MAX], struct str *url)
{
	struct str line, first, rest;

	(void)str_split(text, '\n', &line, &rest);
	return str_split(line, ' ', &first, url) &&
	    str_copy(first, place, EVENT_PLACE_MAX) &&
	    event_place_valid(place);
}

/* An empty place: there is none yet. */
static int
read_state(const struct webhook *hook, char place[EVENT_PLACE_MAX])
{
	char text[STATE_MAX + URL_MAX] = "";
	FILE *file = fopen(hook->state_file, "re");
	struct str url;
	size_t len;

	place[0] = '\0';
	if (file == NULL)
		return errno == ENOENT
		    ? EX_OK
		    : ctl_fail(EX_NOINPUT, "%s: %s", hook->state_file,
			  strerror(errno));
	len = fread(text, 1, sizeof(text), file);
	fclose(file);
	if (!webhook_state_parse((struct str){text, len}, place, &url))
		return ctl_fail(EX_DATAERR,
		    "%s: that is no place of a webhook; remove it to begin "
		    "with what happens from now on",
		    hook->state_file);
	if (!str_equal(url, str_of(hook->feed->ctl->options.webhook)))
		return ctl_fail(EX_DATAERR,
		    "%s is that of the webhook %.*s: give each its own "
		    "webhook_state_file",
		    hook->state_file, STR_ARG(url));
	return EX_OK;
}

static bool
write_all(int fd, const char *text, size_t len)
{
	return write(fd, text, len) == (ssize_t)len;
}

static int
write_state(const struct webhook *hook)
{
	char path[4200], text[STATE_MAX + URL_MAX];
	int fd, len;

	snprintf(path, sizeof(path), "%s.new", hook->state_file);
	len = snprintf(text, sizeof(text), "%s %s\n", hook->feed->place,
	    hook->feed->ctl->options.webhook);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || !write_all(fd, text, (size_t)len) || fsync(fd) != 0 ||
	    rename(path, hook->state_file) != 0) {
		int error = errno;

		if (fd >= 0)
			close(fd);
		(void)unlink(path);
		return ctl_fail(
		    EX_CANTCREAT, "%s: %s", hook->state_file, strerror(error));
	}
	close(fd);
	return EX_OK;
}

/* ---- sending ---- */

static int
write_head(const struct webhook *hook, const char *body, size_t len,
    char head[HEAD_MAX])
{
	char signature[WEBHOOK_SIGNATURE_MAX];
	bool is_ipv6 = strchr(hook->host, ':') != NULL;
	char port[8] = "";

	if (webhook_sign(hook->key, hook->key_len, loop_wall_ms() / 1000, body,
		len, signature) != 0)
		return -1;
	if (hook->url.explicit_port)
		snprintf(port, sizeof(port), ":%u", (unsigned)hook->url.port);
	snprintf(head, HEAD_MAX,
	    "POST %.*s%s%.*s HTTP/1.1\r\nHost: %s%s%s%s\r\n"
	    "User-Agent: taupe/" PACKAGE_VERSION "\r\n"
	    "Content-Type: application/json\r\nContent-Length: %zu\r\n"
	    "Taupe-Signature: %s\r\nConnection: close\r\n\r\n",
	    STR_ARG(hook->url.path), hook->url.query.len > 0 ? "?" : "",
	    STR_ARG(hook->url.query), is_ipv6 ? "[" : "", hook->host,
	    is_ipv6 ? "]" : "", port, len, signature);
	return 0;
}

/* The status, or -1 with error. */
static int
attempt(const struct webhook *hook, const char *body, size_t len,
    char error[HTTP_POST_ERROR_MAX])
{
	char head[HEAD_MAX];
	struct http_post post = {.host = hook->host,
	    .port = hook->url.port,
	    .tls = hook->tls,
	    .head = head,
	    .body = body,
	    .len = len,
	    .timeout_ms =
		(uint64_t)hook->feed->ctl->options.webhook_timeout_ms};
	int status;

	if (write_head(hook, body, len, head) != 0) {
		snprintf(error, HTTP_POST_ERROR_MAX, "out of memory");
		return -1;
	}
	status = http_post(&post, error);
	if (status >= 0)
		snprintf(
		    error, HTTP_POST_ERROR_MAX, "it answers %d", status);
	return status;
}

static void
say_failing(struct webhook *hook, const char *error)
{
	if (!hook->failing)
		fprintf(stderr,
		    "taupectl: %s: %s; trying it again, events wait in the "
		    "history\n",
		    hook->host, error);
	hook->failing = true;
}

static void
say_well(struct webhook *hook)
{
	if (hook->failing)
		fprintf(stderr, "taupectl: %s takes events again\n", hook->host);
	hook->failing = false;
}

/* Until it is taken. */
static int
deliver(struct webhook *hook, const char *body, size_t len)
{
	char error[HTTP_POST_ERROR_MAX];

	for (unsigned n = 1;; n += n < 20) {
		int status = attempt(hook, body, len, error);

		if (status >= 200 && status < 300) {
			say_well(hook);
			return EX_OK;
		}
		if (status == GONE)
			return ctl_fail(EX_UNAVAILABLE,
			    "%s wants no more events (410): stopped at %s",
			    hook->host, hook->feed->place);
		say_failing(hook, error);
		event_feed_rest(n, REST_FIRST_MS, REST_MOST_MS);
	}
}

/* Some of them as one body; that is a page, or a part of it. */
static int
send_some(struct webhook *hook, const json_t *events, size_t from, size_t n)
{
	json_t *some = json_array(), *object;
	char *body;
	int code;

	for (size_t i = from; i < from + n; i++)
		json_array_append(some, json_array_get(events, i));
	object = json_pack("{s:o}", "events", some);
	body = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	if (body == NULL)
		return ctl_fail_memory();
	code = deliver(hook, body, strlen(body));
	free(body);
	return code;
}

static const char *
place_of(const json_t *event)
{
	return json_string_value(json_object_get(event, "place"));
}

/* All of a page, and behind each body the place. */
static int
send_page(struct webhook *hook, const json_t *events)
{
	size_t n = json_array_size(events), from = 0, some;
	char end[EVENT_PLACE_MAX];
	int code = EX_OK;

	memcpy(end, hook->feed->place, sizeof(end));
	for (; from < n && code == EX_OK; from += some) {
		some = n - from < EVENTS_MAX ? n - from : EVENTS_MAX;
		code = send_some(hook, events, from, some);
		(void)str_copy(
		    str_of(place_of(json_array_get(events, from + some - 1))),
		    hook->feed->place, sizeof(hook->feed->place));
		if (code == EX_OK && from + some < n)
			code = write_state(hook);
	}
	memcpy(hook->feed->place, end, sizeof(end));
	return code == EX_OK ? write_state(hook) : code;
}

static int
run(struct webhook *hook)
{
	char before[EVENT_PLACE_MAX];
	int code = EX_OK;
	bool over;

	while (code == EX_OK) {
		json_t *events = json_array();

		if (events == NULL)
			return ctl_fail_memory();
		memcpy(before, hook->feed->place, sizeof(before));
		code = event_feed_next(hook->feed, events, &over);
		/* also past those that are not wanted, or they would be read again and again */
		if (code == EX_OK && strcmp(before, hook->feed->place) != 0)
			code = send_page(hook, events);
		json_decref(events);
	}
	return code;
}

/* ---- what it needs ---- */

static int
read_key(struct webhook *hook)
{
	const char *path = hook->feed->ctl->options.webhook_key_file;
	long len;

	if (path == NULL)
		return ctl_fail(EX_USAGE,
		    "--webhook-key-file FILE is missing: what signs the "
		    "events");
	len = private_file_read(
	    "webhook_key_file", path, hook->key, sizeof(hook->key));
	if (len < 0)
		return ctl_fail(EX_NOINPUT, "%s: %s", path, strerror(errno));
	while (len > 0 &&
	    (hook->key[len - 1] == '\n' || hook->key[len - 1] == '\r'))
		len--;
	if (len < KEY_MIN || len >= KEY_MAX - 1)
		return ctl_fail(EX_DATAERR,
		    "%s: a key has %d to %d characters, such as openssl rand "
		    "-hex 32 makes",
		    path, KEY_MIN, KEY_MAX - 2);
	hook->key_len = (size_t)len;
	return EX_OK;
}

static int
take_url(struct webhook *hook)
{
	const struct ctl_options *options = &hook->feed->ctl->options;
	const char *error;

	if (!url_parse(str_of(options->webhook), &hook->url) ||
	    !str_copy(hook->url.host, hook->host, sizeof(hook->host)))
		return ctl_fail(EX_USAGE, "webhook: that is no URL");
	if (hook->url.path.len == 0)
		hook->url.path = STR("/");
	if (!hook->url.secure)
		return EX_OK;
	hook->tls = tls_context_new_client(options->ca_file, &error);
	return hook->tls != NULL ? EX_OK : ctl_fail(EX_NOINPUT, "%s", error);
}

/* From where it was left; the first time from now on, or from --since. */
static int
take_place(struct webhook *hook)
{
	char place[EVENT_PLACE_MAX];
	int code;

	hook->state_file = hook->feed->ctl->options.webhook_state_file;
	if (hook->state_file == NULL)
		return ctl_fail(EX_USAGE,
		    "--webhook-state-file FILE is missing: where it is kept "
		    "what was sent");
	if ((code = lock_state(hook)) == EX_OK &&
	    (code = read_state(hook, place)) == EX_OK && place[0] != '\0') {
		memcpy(hook->feed->place, place, sizeof(place));
		hook->feed->since_ms = 0;
		/* on a full disk each start would send the same again */
		code = write_state(hook);
	}
	return code;
}

int
webhook_run(struct event_feed *feed)
{
	struct webhook hook = {.feed = feed};
	int code;

	if (!feed->follow && feed->since_ms == 0)
		feed->place[0] = '\0';
	feed->follow = feed->patient = true;
	if ((code = take_url(&hook)) == EX_OK &&
	    (code = read_key(&hook)) == EX_OK &&
	    (code = take_place(&hook)) == EX_OK)
		code = run(&hook);
	tls_context_free(&hook.tls);
	wipe(hook.key, sizeof(hook.key));
	return code;
}
