/* SPDX-License-Identifier: MIT */
/*
 * The mode of a socket's file is what keeps others out, so it is made with it: between bind() and a chmod()
 * somebody could come in.
 */
#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/local_door.h"

#define BACKLOG 8
#define REST_MS 1000
#define LOOK_MS 10 /* whether somebody listens: long enough for a connect() that finds room */

struct local_door {
	void (*cb)(void *ctx, int fd);
	void *ctx;
	struct loop *loop;
	struct event *event;
	struct timer rest; /* after a failure that would repeat itself at once */
	int fd;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

static int
make_address(const char *path, struct sockaddr_un *address)
{
	size_t len = strlen(path);

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (len >= sizeof(address->sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address->sun_path, path, len + 1);
	return 0;
}

static void
close_quietly(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

static int
open_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd >= 0)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

static int
connect_to(const struct sockaddr_un *address, unsigned timeout_ms)
{
	const struct timeval limit = {.tv_sec = timeout_ms / 1000,
	    .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
	int fd = open_socket();

	if (fd < 0)
		return -1;
	/* connect() waits for room among those that wait there, as long as it may send */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ==
		0 &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) ==
		0 &&
	    connect(fd, (const struct sockaddr *)address, sizeof(*address)) ==
	    0)
		return fd;
	close_quietly(fd);
	return -1;
}

/* What nobody listens at is left over. -1 with errno. */
static int
clear_way(const struct sockaddr_un *address)
{
	struct stat st;
	int fd;

	if (lstat(address->sun_path, &st) != 0)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	if ((fd = connect_to(address, LOOK_MS)) >= 0)
		close(fd);
	if (fd >= 0 || errno == EAGAIN) { /* or has others waiting */
		errno = EADDRINUSE;
		return -1;
	}
	return errno == ECONNREFUSED ? unlink(address->sun_path) : -1;
}

static int
listen_at(const char *path)
{
	struct sockaddr_un address;
	mode_t mask;
	int fd, result;

	if (make_address(path, &address) != 0 || clear_way(&address) != 0 ||
	    (fd = open_socket()) < 0)
		return -1;
	mask = umask(0177);
	result = bind(fd, (const struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (result == 0 && listen(fd, BACKLOG) == 0 &&
	    evutil_make_socket_nonblocking(fd) == 0)
		return fd;
	close_quietly(fd);
	return -1;
}

static void
rested_cb(void *ctx)
{
	struct local_door *door = ctx;

	(void)event_add(door->event, NULL);
}

static void
accept_cb(evutil_socket_t listener, short what, void *arg)
{
	struct local_door *door = arg;
	int fd = accept(listener, NULL, NULL);

	(void)what;
	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
			(void)event_del(door->event);
			timer_set(door->loop, &door->rest, REST_MS);
		}
		return;
	}
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (evutil_make_socket_nonblocking(fd) != 0) {
		close(fd);
		return;
	}
	loop_enter(door->loop);
	door->cb(door->ctx, fd);
	loop_leave(door->loop);
}

struct local_door *
local_door_new(struct loop *loop, const char *path,
    void (*cb)(void *ctx, int fd), void *ctx)
{
	struct local_door *door = calloc(1, sizeof(*door));

	if (door == NULL)
		return NULL;
	if ((door->fd = listen_at(path)) < 0) {
		int saved = errno;

		free(door);
		errno = saved;
		return NULL;
	}
	door->loop = loop;
	timer_init(&door->rest, rested_cb, door);
	door->cb = cb;
	door->ctx = ctx;
	strcpy(door->path, path); /* as long as an address has room for */
	door->event = event_new(loop_base(loop), door->fd,
	    EV_READ | EV_PERSIST, accept_cb, door);
	if (door->event != NULL && event_add(door->event, NULL) == 0)
		return door;
	local_door_free(&door);
	errno = ENOMEM;
	return NULL;
}

void
local_door_free(struct local_door **doorp)
{
	struct local_door *door = *doorp;

	if (door == NULL)
		return;
	if (door->event != NULL)
		event_free(door->event);
	timer_clear(door->loop, &door->rest);
	close(door->fd);
	(void)unlink(door->path);
	free(door);
	*doorp = NULL;
}

static size_t
read_answer(int fd, char *answer, size_t cap)
{
	size_t used = 0;
	ssize_t got;

	while (used < cap && (got = read(fd, answer + used, cap - used)) > 0)
		used += (size_t)got;
	return used;
}

long
local_door_ask(const char *path, unsigned timeout_ms, const char *question,
    size_t len, char *answer, size_t cap)
{
	struct sockaddr_un address;
	size_t used = 0;
	int fd;

	if (make_address(path, &address) != 0 ||
	    (fd = connect_to(&address, timeout_ms)) < 0)
		return -1;
	if (write(fd, question, len) == (ssize_t)len)
		used = read_answer(fd, answer, cap);
	close(fd);
	return (long)used;
}
