/* SPDX-License-Identifier: MIT */
/* The reader may wait for a terminal when the process ends. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/connect_stdio.h"
#include "net/tcp_pair.h"

#define PIECE 65536

/* There is one standard input. */
static struct {
	int fd;
	pthread_t reader, writer;
	bool failed; /* of the writer, which has ended when it is looked at */
} stdio;

static void *
read_input(void *ctx)
{
	char piece[PIECE];
	ssize_t got, done, put;

	(void)ctx;
	while ((got = read(STDIN_FILENO, piece, sizeof(piece))) > 0 ||
	    (got < 0 && errno == EINTR))
		for (done = 0; done < got; done += put) {
			put = send(stdio.fd, piece + done,
			    (size_t)(got - done), MSG_NOSIGNAL);
			if (put < 0 && errno == EINTR)
				put = 0;
			if (put < 0)
				return NULL;
		}
	(void)shutdown(stdio.fd, SHUT_WR);
	return NULL;
}

static bool
write_all(const char *data, size_t len)
{
	while (len > 0) {
		ssize_t put = write(STDOUT_FILENO, data, len);

		if (put < 0 && errno != EINTR)
			return false;
		if (put > 0) {
			data += put;
			len -= (size_t)put;
		}
	}
	return true;
}

/* Who reads our output hears of its end at once, not at ours. */
static void *
write_output(void *ctx)
{
	char piece[PIECE];
	ssize_t got;

	(void)ctx;
	while ((got = recv(stdio.fd, piece, sizeof(piece), 0)) > 0 ||
	    (got < 0 && errno == EINTR))
		if (got > 0 && !write_all(piece, (size_t)got)) {
			stdio.failed = true;
			(void)shutdown(stdio.fd, SHUT_RDWR);
			return NULL;
		}
	(void)close(STDOUT_FILENO);
	return NULL;
}

static int
make_blocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

int
connect_stdio_begin(int *fd)
{
	evutil_socket_t fds[2];

	if (tcp_pair(fds) != 0)
		return -1;
	stdio.fd = fds[1];
	if (make_blocking(stdio.fd) == 0 &&
	    pthread_create(&stdio.writer, NULL, write_output, NULL) == 0) {
		*fd = fds[0];
		if (pthread_create(&stdio.reader, NULL, read_input, NULL) == 0)
			return 0;
		(void)shutdown(stdio.fd, SHUT_RDWR);
		(void)pthread_join(stdio.writer, NULL);
	}
	close(fds[0]);
	close(fds[1]);
	return -1;
}

bool
connect_stdio_end(void)
{
	(void)pthread_join(stdio.writer, NULL);
	return !stdio.failed;
}
