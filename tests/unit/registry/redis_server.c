/* SPDX-License-Identifier: MIT */
#include "redis_server.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 10000
#define WORDS_MAX 64

static char dir[40], sock[64];
static pid_t server;
static struct redis_link_config config;
static struct redis_sync *sync_link;
static char text[65536];

bool
redis_server_exists(void)
{
	return system("redis-server --version >/dev/null 2>&1") == 0;
}

const struct redis_link_config *
redis_server_config(void)
{
	return &config;
}

static void
run_child(void)
{
	int null = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	execlp("redis-server", "redis-server", "--port", "0", "--unixsocket",
	    sock, "--dir", dir, "--save", "", "--appendonly", "no",
	    (char *)NULL);
	_exit(127);
}

void
redis_server_run(void)
{
	const struct timespec pause = {0, 2000000};
	char error[REDIS_SYNC_ERROR_MAX] = "";

	server = fork();
	ck_assert_int_ge(server, 0);
	if (server == 0)
		run_child();
	for (int i = 0; i < WAIT_MS / 2; i++) {
		sync_link = redis_sync_new(&config, error);
		if (sync_link != NULL)
			return;
		nanosleep(&pause, NULL);
	}
	ck_abort_msg("redis-server does not answer: %s", error);
}

void
redis_server_kill(void)
{
	redis_sync_free(&sync_link);
	if (server <= 0)
		return;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	server = 0;
}

void
redis_server_start(void)
{
	strcpy(dir, "/tmp/taupe-test-redis-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(sock, sizeof(sock), "%s/s", dir);
	config = (struct redis_link_config){.host = sock, .timeout_ms = 2000};
	redis_server_run();
}

void
redis_server_stop(void)
{
	redis_server_kill();
	unlink(sock);
	rmdir(dir);
}

static void
append(const char *piece, size_t len)
{
	size_t at = strlen(text);

	ck_assert_uint_lt(at + len, sizeof(text));
	memcpy(text + at, piece, len);
	text[at + len] = '\0';
}

static void
append_reply(const redisReply *reply)
{
	char number[32];

	switch (reply->type) {
	case REDIS_REPLY_ERROR:
		append("!", 1);
		append(reply->str, reply->len);
		break;
	case REDIS_REPLY_STRING:
	case REDIS_REPLY_STATUS:
		append(reply->str, reply->len);
		break;
	case REDIS_REPLY_INTEGER:
		append(number, (size_t)sprintf(number, "%lld", reply->integer));
		break;
	case REDIS_REPLY_ARRAY:
		for (size_t i = 0; i < reply->elements; i++) {
			if (i > 0)
				append(" ", 1);
			append_reply(reply->element[i]);
		}
		break;
	default:
		append("(nil)", 5);
	}
}

static int
split(char *command, const char **argv)
{
	int argc = 0;

	for (char *word = strtok(command, " "); word != NULL;
	     word = strtok(NULL, " ")) {
		ck_assert_int_lt(argc, WORDS_MAX);
		argv[argc++] = word;
	}
	return argc;
}

const char *
redis_ask(const char *format, ...)
{
	char command[2048];
	const char *argv[WORDS_MAX];
	redisReply *reply;
	va_list args;

	va_start(args, format);
	ck_assert_int_lt(
	    vsnprintf(command, sizeof(command), format, args), sizeof(command));
	va_end(args);
	reply = redis_sync_command(sync_link, split(command, argv), argv);
	ck_assert_msg(reply != NULL, "%s", redis_sync_error(sync_link));
	text[0] = '\0';
	append_reply(reply);
	redis_sync_reply_free(&reply);
	return text;
}
