/* SPDX-License-Identifier: MIT */
/* What plain_agent.c wants of the system: a clock, unpredictable bytes, TCP. Here it is POSIX; this is
 * what another system has to have in its place. */
#ifndef PLAIN_SYSTEM_H
#define PLAIN_SYSTEM_H

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void random_cb(void *ctx, void *out, size_t len)
{
	if (ctx != NULL || getentropy(out, len) != 0)
		abort();
}

/* A connection that is waited for, 10 s for each address; -1: there is none. */
static int dial(const char *host, unsigned number)
{
	struct timeval patience = {.tv_sec = 10}, none = {.tv_sec = 0};
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL, *at;
	char port[8];
	int fd = -1;

	snprintf(port, sizeof(port), "%u", number);
	(void)getaddrinfo(host, port, &hints, &list);
	for (at = list; at != NULL && fd < 0; at = at->ai_next) {
		fd = socket(at->ai_family, SOCK_STREAM, 0);
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		if (connect(fd, at->ai_addr, at->ai_addrlen) != 0)
			close(fd), fd = -1;
		else
			setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none));
	}
	if (list != NULL)
		freeaddrinfo(list);
	return fd;
}

static bool send_all(int fd, const void *data, size_t len)
{
	if (len == 0 || send(fd, data, len, MSG_NOSIGNAL) == (ssize_t)len)
		return true;
	shutdown(fd, SHUT_RDWR); /* which the next recv() tells */
	return false;
}

#endif
