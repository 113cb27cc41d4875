/* SPDX-License-Identifier: MIT */
/*
 * A server in a thread of its own, for what is asked over a socket of a program without a loop: to
 * whoever connects it says the same bytes, whatever they ask, and ends.
 */
#ifndef TAUPE_TESTS_FUZZ_SERVE_H
#define TAUPE_TESTS_FUZZ_SERVE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "require.h"

#define SERVE_MAX 65536

struct serve {
	int fd;
	uint16_t port;	 /* of 127.0.0.1; or else */
	char path[64];	 /* a Unix socket's */
	pthread_mutex_t mutex;
	size_t len;
	uint8_t data[SERVE_MAX];
};

static inline void
serve_one(struct serve *serve, int fd)
{
	static uint8_t copy[SERVE_MAX];
	size_t len, done = 0;
	ssize_t n = 1;

	REQUIRE(pthread_mutex_lock(&serve->mutex) == 0);
	len = serve->len;
	memcpy(copy, serve->data, len);
	REQUIRE(pthread_mutex_unlock(&serve->mutex) == 0);
	/* it asks first, or has gone */
	if (recv(fd, &(char){0}, 1, 0) == 1)
		for (; done < len && n > 0; done += n > 0 ? (size_t)n : 0)
			n = send(fd, copy + done, len - done, MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	while (recv(fd, &(char[4096]){0}, 4096, 0) > 0)
		;
	close(fd);
}

static inline void *
serve_cb(void *ctx)
{
	struct serve *serve = ctx;

	for (;;) {
		int fd = accept(serve->fd, NULL, NULL);

		REQUIRE(fd >= 0);
		serve_one(serve, fd);
	}
	return NULL;
}

static inline void
serve_start(struct serve *serve, const struct sockaddr *address, socklen_t len)
{
	pthread_t thread;

	serve->fd = socket(address->sa_family, SOCK_STREAM, 0);
	REQUIRE(serve->fd >= 0);
	REQUIRE(bind(serve->fd, address, len) == 0);
	REQUIRE(listen(serve->fd, 16) == 0);
	REQUIRE(pthread_mutex_init(&serve->mutex, NULL) == 0);
	REQUIRE(pthread_create(&thread, NULL, serve_cb, serve) == 0);
	REQUIRE(pthread_detach(thread) == 0);
}

static inline void
serve_tcp(struct serve *serve)
{
	struct sockaddr_in in = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);

	serve_start(serve, (const struct sockaddr *)&in, len);
	REQUIRE(getsockname(serve->fd, (struct sockaddr *)&in, &len) == 0);
	serve->port = ntohs(in.sin_port);
}

static struct serve *serve_at_path;

static inline void
serve_unlink(void)
{
	unlink(serve_at_path->path);
}

static inline void
serve_unix(struct serve *serve)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	snprintf(serve->path, sizeof(serve->path), "/tmp/taupe-fuzz-%ld.sock",
	    (long)getpid());
	unlink(serve->path);
	strcpy(un.sun_path, serve->path);
	serve_start(serve, (const struct sockaddr *)&un, sizeof(un));
	serve_at_path = serve;
	REQUIRE(atexit(serve_unlink) == 0);
}

/* What is said from now on: head and then data. */
static inline void
serve_say(
    struct serve *serve, const char *head, const uint8_t *data, size_t len)
{
	size_t head_len = strlen(head);

	if (len > SERVE_MAX - head_len)
		len = SERVE_MAX - head_len;
	REQUIRE(pthread_mutex_lock(&serve->mutex) == 0);
	memcpy(serve->data, head, head_len);
	if (len > 0)
		memcpy(serve->data + head_len, data, len);
	serve->len = head_len + len;
	REQUIRE(pthread_mutex_unlock(&serve->mutex) == 0);
}

#endif
