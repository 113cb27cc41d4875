/* SPDX-License-Identifier: MIT */
/*
 * Windows before 10 has no local sockets, and a file's access control list is what keeps others out there.
 * So the door is a TCP port of the loopback interface, and what stands at the path is a file with its number
 * and a key, which whoever comes has to say first. The file is open as long as the door is: another agent
 * cannot put its own there.
 */
#include "config.h"

#include <winsock2.h>
#include <windows.h>
#include <ws2tcpip.h>

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/private_file.h"
#include "base/winapi.h"
#include "base/winapi_private.h"
#include "net/address.h"
#include "net/crypto.h"
#include "net/local_door.h"
#include "net/socket.h"
#include "wire/cursor.h"

#define BACKLOG 8
#define CALLERS_MAX 8
#define PATIENCE_MS 5000
#define REST_MS 1000
#define KEY_BYTES 16
#define KEY_LEN (2 * KEY_BYTES)
#define KEY_LINE (KEY_LEN + 1) /* with the line's end */
#define FILE_TEXT_MAX 64       /* "49152 0123…" */
/* Virus scanners and indexers open what is new, and a file that is open cannot be replaced. */
#define WRITE_ATTEMPTS 10
#define WRITE_PAUSE_MS 10

/* One who has not said the whole key yet. */
struct caller {
	TAILQ_ENTRY(caller) link;
	struct local_door *door;
	evutil_socket_t fd;
	struct event *event;
	struct timer timer;
	size_t len;
	char line[KEY_LINE];
};

struct local_door {
	void (*cb)(void *ctx, int fd);
	void *ctx;
	struct loop *loop;
	struct event *event;
	struct timer rest; /* after a failure that would repeat itself at once */
	evutil_socket_t fd;
	wchar_t *path;
	HANDLE file;
	size_t n_callers;
	TAILQ_HEAD(, caller) callers; /* the oldest first */
	char key_line[KEY_LINE];
};

/* ---- who comes ---- */

/* The descriptor is closed, or somebody else's. */
static void
caller_free(struct caller *caller)
{
	timer_clear(caller->door->loop, &caller->timer);
	if (caller->event != NULL)
		event_free(caller->event);
	TAILQ_REMOVE(&caller->door->callers, caller, link);
	caller->door->n_callers--;
	free(caller);
}

static void
turn_away(struct caller *caller)
{
	socket_close(caller->fd);
	caller_free(caller);
}

static void
let_in(struct caller *caller)
{
	struct local_door *door = caller->door;
	evutil_socket_t fd = caller->fd;

	caller_free(caller);
	door->cb(door->ctx, (int)fd);
}

static void
hear(struct caller *caller)
{
	ssize_t got = socket_receive(caller->fd, caller->line + caller->len,
	    KEY_LINE - caller->len);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		turn_away(caller);
		return;
	}
	caller->len += (size_t)got;
	if (caller->len < KEY_LINE)
		return;
	if (crypto_equal(caller->line, caller->door->key_line, KEY_LINE))
		let_in(caller);
	else
		turn_away(caller);
}

static void
caller_cb(evutil_socket_t fd, short what, void *arg)
{
	struct caller *caller = arg;
	struct loop *loop = caller->door->loop;

	(void)fd;
	(void)what;
	loop_enter(loop);
	hear(caller);
	loop_leave(loop);
}

static void
late_cb(void *ctx)
{
	turn_away(ctx);
}

/* Everybody on the machine can come, and say nothing: whoever knows the key needs no time to say it, and
 * finds room. */
static void
take_in(struct local_door *door, evutil_socket_t fd)
{
	struct caller *caller = calloc(1, sizeof(*caller));

	if (caller == NULL) {
		socket_close(fd);
		return;
	}
	if (door->n_callers >= CALLERS_MAX)
		turn_away(TAILQ_FIRST(&door->callers));
	caller->door = door;
	caller->fd = fd;
	timer_init(&caller->timer, late_cb, caller);
	timer_set(door->loop, &caller->timer, PATIENCE_MS);
	TAILQ_INSERT_TAIL(&door->callers, caller, link);
	door->n_callers++;
	caller->event = event_new(loop_base(door->loop), fd,
	    EV_READ | EV_PERSIST, caller_cb, caller);
	if (caller->event == NULL || event_add(caller->event, NULL) != 0)
		turn_away(caller);
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
	SOCKET fd = accept((SOCKET)listener, NULL, NULL);

	(void)what;
	if (fd == INVALID_SOCKET) {
		if (WSAGetLastError() != WSAEWOULDBLOCK &&
		    WSAGetLastError() != WSAECONNRESET) {
			(void)event_del(door->event);
			timer_set(door->loop, &door->rest, REST_MS);
		}
		return;
	}
	if (!SetHandleInformation((HANDLE)fd, HANDLE_FLAG_INHERIT, 0) ||
	    evutil_make_socket_nonblocking((evutil_socket_t)fd) != 0) {
		closesocket(fd);
		return;
	}
	loop_enter(door->loop);
	take_in(door, (evutil_socket_t)fd);
	loop_leave(door->loop);
}

/* ---- what stands at the path ---- */

/* What the file says. -1 with errno: EPROTO where it says something else, ENODATA where nothing. */
static int
read_file(const char *path, struct address *at, char key_line[KEY_LINE])
{
	char text[FILE_TEXT_MAX];
	long len = private_file_read(NULL, path, text, sizeof(text));
	struct str port, key, rest;
	uint64_t number;
	int result = -1;

	if (len < 0)
		return -1;
	errno = len > 0 ? EPROTO : ENODATA;
	if (str_split((struct str){text, (size_t)len}, ' ', &port, &key) &&
	    str_to_number(port, 65535, &number) &&
	    str_split(key, '\n', &key, &rest) && key.len == KEY_LEN &&
	    rest.len == 0) {
		(void)address_parse_ip(
		    STR("127.0.0.1"), (uint16_t)number, at);
		memcpy(key_line, key.ptr, KEY_LEN);
		key_line[KEY_LEN] = '\n';
		result = 0;
	}
	crypto_wipe(text, sizeof(text));
	return result;
}

/* What a dead process has left is open no more, and goes; the power may have failed before it had a word. What
 * says something else is no door's, and stays. -1 with errno. */
static int
clear_way(const struct local_door *door, const char *path)
{
	char key_line[KEY_LINE];
	struct address at;

	if (read_file(path, &at, key_line) != 0 && errno != ENODATA) {
		if (errno == EPROTO)
			errno = EEXIST;
		return errno == ENOENT ? 0 : -1;
	}
	crypto_wipe(key_line, sizeof(key_line));
	if (DeleteFileW(door->path) || GetLastError() == ERROR_FILE_NOT_FOUND)
		return 0;
	winapi_set_errno(GetLastError());
	return -1;
}

static void
remove_file(struct local_door *door)
{
	if (door->file == INVALID_HANDLE_VALUE)
		return;
	CloseHandle(door->file);
	door->file = INVALID_HANDLE_VALUE;
	(void)DeleteFileW(door->path);
}

/* Make the file, which stays open. -1 with errno: there is none. */
static int
make_file(struct local_door *door, uint16_t port)
{
	char text[FILE_TEXT_MAX];
	int len = snprintf(text, sizeof(text), "%u %.*s", (unsigned)port,
	    KEY_LINE, door->key_line);
	DWORD done, error;

	door->file = winapi_create_private(door->path, FILE_SHARE_READ);
	if (door->file == INVALID_HANDLE_VALUE)
		return -1;
	error = WriteFile(door->file, text, (DWORD)len, &done, NULL)
	    ? ERROR_SUCCESS
	    : GetLastError();
	crypto_wipe(text, sizeof(text));
	if (error == ERROR_SUCCESS && done == (DWORD)len)
		return 0;
	remove_file(door);
	winapi_set_errno(error);
	return -1;
}

/* Somebody has it open, or had when it was deleted: its name goes with who had. */
static bool
may_pass(int error)
{
	return error == WINAPI_ERRNO + ERROR_SHARING_VIOLATION ||
	    error == EACCES;
}

/* -1 with errno: EADDRINUSE where it stays open. */
static int
write_file(struct local_door *door, const char *path, uint16_t port)
{
	for (int i = 1; i <= WRITE_ATTEMPTS; i++) {
		if (i > 1)
			Sleep(WRITE_PAUSE_MS);
		if (clear_way(door, path) == 0 && make_file(door, port) == 0)
			return 0;
		if (!may_pass(errno))
			return -1;
	}
	if (errno != EACCES)
		errno = EADDRINUSE;
	return -1;
}

/* ---- the door ---- */

/* Of the loopback interface; *port is what the system has chosen. -1 with errno. */
static evutil_socket_t
listen_somewhere(uint16_t *port)
{
	struct address at;
	evutil_socket_t fd = socket_open(AF_INET, SOCK_STREAM);

	if (fd < 0)
		return -1;
	(void)address_parse_ip(STR("127.0.0.1"), 0, &at);
	if (bind((SOCKET)fd, &at.sa, at.len) == 0 &&
	    listen((SOCKET)fd, BACKLOG) == 0 &&
	    getsockname((SOCKET)fd, &at.sa, &at.len) == 0) {
		*port = address_port(&at);
		return fd;
	}
	winapi_set_errno((uint32_t)WSAGetLastError());
	socket_close(fd);
	return -1;
}

static void
draw_key(struct local_door *door)
{
	uint8_t key[KEY_BYTES];
	struct writer w;

	crypto_random(key, sizeof(key));
	writer_init(&w, door->key_line, KEY_LINE);
	writer_hex(&w, key, sizeof(key));
	door->key_line[KEY_LEN] = '\n';
	crypto_wipe(key, sizeof(key));
}

static int
open_door(struct local_door *door, const char *path)
{
	uint16_t port;

	if ((door->path = winapi_wide(path)) == NULL ||
	    (door->fd = listen_somewhere(&port)) < 0)
		return -1;
	draw_key(door);
	if (write_file(door, path, port) != 0)
		return -1;
	door->event = event_new(loop_base(door->loop), door->fd,
	    EV_READ | EV_PERSIST, accept_cb, door);
	if (door->event != NULL && event_add(door->event, NULL) == 0)
		return 0;
	errno = ENOMEM;
	return -1;
}

struct local_door *
local_door_new(struct loop *loop, const char *path,
    void (*cb)(void *ctx, int fd), void *ctx)
{
	struct local_door *door = calloc(1, sizeof(*door));
	int saved;

	if (door == NULL)
		return NULL;
	door->loop = loop;
	door->cb = cb;
	door->ctx = ctx;
	door->fd = -1;
	timer_init(&door->rest, rested_cb, door);
	door->file = INVALID_HANDLE_VALUE;
	TAILQ_INIT(&door->callers);
	if (open_door(door, path) == 0)
		return door;
	saved = errno;
	local_door_free(&door);
	errno = saved;
	return NULL;
}

void
local_door_free(struct local_door **doorp)
{
	struct local_door *door = *doorp;

	if (door == NULL)
		return;
	while (!TAILQ_EMPTY(&door->callers))
		turn_away(TAILQ_FIRST(&door->callers));
	if (door->event != NULL)
		event_free(door->event);
	timer_clear(door->loop, &door->rest);
	if (door->fd >= 0)
		socket_close(door->fd);
	remove_file(door);
	crypto_wipe(door->key_line, sizeof(door->key_line));
	free(door->path);
	free(door);
	*doorp = NULL;
}

/* ---- asking ---- */

/* A blocking one, whose calls give up. -1 with errno. */
static SOCKET
connect_to(const struct address *at, DWORD timeout_ms)
{
	SOCKET fd = WSASocketW(
	    AF_INET, SOCK_STREAM, 0, NULL, 0, WSA_FLAG_NO_HANDLE_INHERIT);

	if (fd != INVALID_SOCKET &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, (const char *)&timeout_ms,
		sizeof(timeout_ms)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, (const char *)&timeout_ms,
		sizeof(timeout_ms)) == 0 &&
	    connect(fd, &at->sa, at->len) == 0)
		return fd;
	if (WSAGetLastError() == WSAECONNREFUSED)
		errno = ECONNREFUSED; /* what a dead process has left */
	else
		winapi_set_errno((uint32_t)WSAGetLastError());
	if (fd != INVALID_SOCKET)
		closesocket(fd);
	return INVALID_SOCKET;
}

static size_t
read_answer(SOCKET fd, char *answer, size_t cap)
{
	size_t used = 0;
	int got;

	while (used < cap &&
	    (got = recv(fd, answer + used, (int)(cap - used), 0)) > 0)
		used += (size_t)got;
	return used;
}

long
local_door_ask(const char *path, unsigned timeout_ms, const char *question,
    size_t len, char *answer, size_t cap)
{
	char key_line[KEY_LINE];
	struct address at;
	size_t used = 0;
	SOCKET fd;

	if (read_file(path, &at, key_line) != 0)
		return -1;
	if ((fd = connect_to(&at, timeout_ms)) != INVALID_SOCKET) {
		if (send(fd, key_line, KEY_LINE, 0) == KEY_LINE &&
		    send(fd, question, (int)len, 0) == (int)len)
			used = read_answer(fd, answer, cap);
		closesocket(fd);
	}
	crypto_wipe(key_line, sizeof(key_line));
	return fd != INVALID_SOCKET ? (long)used : -1;
}
