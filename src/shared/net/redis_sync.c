/* SPDX-License-Identifier: MIT */
/* hiredis' blocking interface, with the greeting that every link of ours says. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/wipe.h"
#include "net/redis_sync.h"

struct redis_sync {
	redisContext *context;
};

static redisContext *
dial(const struct redis_link_config *config)
{
	struct timeval timeout = {(time_t)(config->timeout_ms / 1000),
	    (suseconds_t)(config->timeout_ms % 1000 * 1000)};
	redisContext *context;

	if (config->host[0] == '/')
		context = redisConnectUnixWithTimeout(config->host, timeout);
	else
		context = redisConnectWithTimeout(
		    config->host, config->port, timeout);
	if (context != NULL && context->err == 0)
		(void)redisSetTimeout(context, timeout);
	return context;
}

/* Takes the reply. A server that does not know AUTH quotes the password: what it says is
 * not repeated then. */
static int
expect_status(struct redis_sync *sync, redisReply *reply, const char *what,
    const char *password, char error[REDIS_SYNC_ERROR_MAX])
{
	int result = -1;

	if (reply == NULL)
		snprintf(error, REDIS_SYNC_ERROR_MAX, "%s: %s", what,
		    redis_sync_error(sync));
	else if (reply->type == REDIS_REPLY_STATUS)
		result = 0;
	else if (reply->type == REDIS_REPLY_ERROR &&
	    (password == NULL || strstr(reply->str, password) == NULL))
		snprintf(error, REDIS_SYNC_ERROR_MAX, "%s was refused: %s",
		    what, reply->str);
	else
		snprintf(error, REDIS_SYNC_ERROR_MAX, "%s was refused", what);
	redis_sync_reply_free(&reply);
	return result;
}

static int
write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t done = write(fd, text, len);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return -1;
		text += done;
		len -= (size_t)done;
	}
	return 0;
}

/* Past hiredis' buffer, which it frees as it is. */
static redisReply *
authenticate(struct redis_sync *sync, const struct redis_link_config *config)
{
	const char *with_user[] = {"AUTH", config->user, config->password};
	const char *without[] = {"AUTH", config->password};
	bool has_user = config->user != NULL;
	char *command = NULL;
	long long len = redisFormatCommandArgv(
	    &command, has_user ? 3 : 2, has_user ? with_user : without, NULL);
	int written;

	if (len < 0)
		return NULL;
	written = write_all(sync->context->fd, command, (size_t)len);
	wipe(command, (size_t)len);
	redisFreeCommand(command);
	return written == 0 ? redis_sync_fetch(sync) : NULL;
}

static int
greet(struct redis_sync *sync, const struct redis_link_config *config,
    char error[REDIS_SYNC_ERROR_MAX])
{
	const char *password = config->password;
	redisReply *reply;

	if (password != NULL) {
		reply = authenticate(sync, config);
		if (expect_status(sync, reply, "AUTH", password, error) != 0)
			return -1;
	}
	if (config->database != 0 &&
	    expect_status(sync,
		redis_sync_commandf(sync, "SELECT %d", config->database),
		"SELECT", NULL, error) != 0)
		return -1;
	if (config->name != NULL) {
		reply = redis_sync_commandf(
		    sync, "CLIENT SETNAME %s", config->name);
		redis_sync_reply_free(
		    &reply); /* it serves without a name as well */
	}
	return 0;
}

struct redis_sync *
redis_sync_new(
    const struct redis_link_config *config, char error[REDIS_SYNC_ERROR_MAX])
{
	struct redis_sync *sync = calloc(1, sizeof(*sync));

	assert(config->timeout_ms > 0);
	if (sync == NULL || (sync->context = dial(config)) == NULL) {
		snprintf(error, REDIS_SYNC_ERROR_MAX, "out of memory");
		free(sync);
		return NULL;
	}
	if (sync->context->err != 0)
		snprintf(
		    error, REDIS_SYNC_ERROR_MAX, "%s", sync->context->errstr);
	else if (greet(sync, config, error) == 0)
		return sync;
	redis_sync_free(&sync);
	return NULL;
}

void
redis_sync_free(struct redis_sync **sync)
{
	if (*sync == NULL)
		return;
	redisFree((*sync)->context);
	free(*sync);
	*sync = NULL;
}

redisReply *
redis_sync_commandf(struct redis_sync *sync, const char *format, ...)
{
	redisReply *reply;
	va_list args;

	va_start(args, format);
	reply = redis_sync_vcommandf(sync, format, args);
	va_end(args);
	return reply;
}

redisReply *
redis_sync_vcommandf(struct redis_sync *sync, const char *format, va_list args)
{
	return redisvCommand(sync->context, format, args);
}

redisReply *
redis_sync_command(struct redis_sync *sync, int argc, const char *const *argv)
{
	/* hiredis does not change them, but its type says it might */
	return redisCommandArgv(
	    sync->context, argc, (const char **)(uintptr_t)argv, NULL);
}

int
redis_sync_queuef(struct redis_sync *sync, const char *format, ...)
{
	va_list args;
	int result;

	va_start(args, format);
	result = redisvAppendCommand(sync->context, format, args);
	va_end(args);
	return result == REDIS_OK ? 0 : -1;
}

redisReply *
redis_sync_fetch(struct redis_sync *sync)
{
	void *reply = NULL;

	return redisGetReply(sync->context, &reply) == REDIS_OK ? reply : NULL;
}

void
redis_sync_reply_free(redisReply **reply)
{
	freeReplyObject(*reply); /* which takes NULL */
	*reply = NULL;
}

const char *
redis_sync_error(const struct redis_sync *sync)
{
	return sync->context->err != 0 ? sync->context->errstr : "no answer";
}
