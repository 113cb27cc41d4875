/* SPDX-License-Identifier: MIT
 *
 * latency: what one visitor waits for, request after request, in microseconds.
 *
 *	latency ADDRESS PORT HOST PATH new|keep COUNT GAP_US SECONDS
 *
 * "new" takes a connection for each request and its time begins before connect(); "keep" asks over one
 * connection. It stops after COUNT answers or SECONDS, whatever is first, waits GAP_US between two, and
 * prints one JSON object. It knows nothing of tunnels, and little of HTTP: an answer is a 200 with a
 * Content-Length.
 */
#define _GNU_SOURCE
#include <sys/socket.h>
#include <sys/time.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_BYTES (1 << 20)
#define PATIENCE_S 10
#define MAX_FAILURES 20

struct probe {
	struct sockaddr_in address;
	char request[512];
	size_t request_bytes;
	bool keep;
	size_t count;
	useconds_t gap_us;
	double seconds;

	double *took_us; /* count of them; taken hold values */
	size_t taken;
	size_t failures;
};

static double
clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

/* A connected socket, or -1. */
static int
probe_dial(const struct probe *p)
{
	struct timeval patience = {PATIENCE_S, 0};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (fd < 0)
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)&p->address,
		sizeof(p->address)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* The bytes of the whole answer whose head stands in text, 0 if the head is not complete, -1 if it is no
 * answer that we take. */
static long
answer_size(const char *text)
{
	const char *end = strstr(text, "\r\n\r\n"), *length;

	if (end == NULL)
		return 0;
	if (strncmp(text, "HTTP/1.1 200", 12) != 0)
		return -1;
	length = strcasestr(text, "\r\ncontent-length:");
	return length == NULL ? -1 : end + 4 - text + atol(length + 17);
}

/* Send the request and read its answer to the end. */
static bool
probe_ask(const struct probe *p, int fd)
{
	static char answer[ANSWER_BYTES];
	long got = 0, size = 0;

	if (send(fd, p->request, p->request_bytes, MSG_NOSIGNAL) !=
	    (ssize_t)p->request_bytes)
		return false;
	while (size == 0 || got < size) {
		ssize_t n = recv(fd, answer + got, sizeof(answer) - 1 - got, 0);

		if (n <= 0)
			return false;
		got += n;
		answer[got] = '\0';
		if (size == 0)
			size = answer_size(answer);
		if (size < 0 || size >= ANSWER_BYTES)
			return false;
	}
	return true;
}

/* One request on *fd, which is connected first where it is -1, and closed where it must not be kept. */
static void
probe_once(struct probe *p, int *fd)
{
	double start = clock_us();
	bool good;

	if (*fd < 0)
		*fd = probe_dial(p);
	good = *fd >= 0 && probe_ask(p, *fd);
	if (good)
		p->took_us[p->taken++] = clock_us() - start;
	else
		p->failures++;
	if (*fd >= 0 && !(good && p->keep)) {
		close(*fd);
		*fd = -1;
	}
}

static void
probe_run(struct probe *p)
{
	double end = clock_us() + p->seconds * 1e6;
	int fd = -1;

	if (p->keep) { /* the connection, and what it warms up, is not part of any request */
		probe_once(p, &fd);
		p->taken = 0;
	}
	while (p->taken < p->count && p->failures < MAX_FAILURES &&
	    clock_us() < end) {
		probe_once(p, &fd);
		if (p->gap_us > 0)
			usleep(p->gap_us);
	}
	if (fd >= 0)
		close(fd);
}

static int
compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
percentile(const struct probe *p, double share)
{
	return p->taken == 0 ? 0 : p->took_us[(size_t)((p->taken - 1) * share)];
}

int
main(int argc, char **argv)
{
	struct probe p = {.address.sin_family = AF_INET};
	int size;

	if (argc != 9)
		errx(EX_USAGE,
		    "usage: latency ADDRESS PORT HOST PATH new|keep COUNT "
		    "GAP_US SECONDS");
	if (inet_pton(AF_INET, argv[1], &p.address.sin_addr) != 1)
		errx(EX_USAGE, "%s: no IPv4 address", argv[1]);
	p.address.sin_port = htons(atoi(argv[2]));
	p.keep = strcmp(argv[5], "keep") == 0;
	p.count = strtoul(argv[6], NULL, 10);
	p.gap_us = strtoul(argv[7], NULL, 10);
	p.seconds = strtod(argv[8], NULL);
	size = snprintf(p.request, sizeof(p.request),
	    "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", argv[4], argv[3],
	    p.keep ? "" : "Connection: close\r\n");
	if (size < 0 || (size_t)size >= sizeof(p.request))
		errx(EX_USAGE, "the request is too long");
	p.request_bytes = size;
	p.took_us = calloc(p.count + 1, sizeof(*p.took_us));
	if (p.took_us == NULL)
		err(EX_OSERR, "calloc");

	probe_run(&p);
	qsort(p.took_us, p.taken, sizeof(*p.took_us), compare_double);
	printf("{\"count\": %zu, \"failures\": %zu, \"p50_us\": %.1f, "
	       "\"p99_us\": %.1f, "
	       "\"max_us\": %.1f}\n",
	    p.taken, p.failures, percentile(&p, .5), percentile(&p, .99),
	    percentile(&p, 1));
	free(p.took_us);
	return 0;
}
