/* SPDX-License-Identifier: MIT */
/*
 * A connection, as a rule TCP, for programs without a loop: every wait ends with the time that there is. Plain; who
 * speaks TLS over it awaits for that.
 */
#ifndef TAUPE_NET_TIMED_SOCKET_H
#define TAUPE_NET_TIMED_SOCKET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct timed_socket {
	int fd;
	uint64_t deadline_ms; /* of timed_now_ms() */
	char *error;	      /* what is wrong is written there */
	size_t error_size;
};

/* A clock that is never set. */
uint64_t timed_now_ms(void);

/* Functions that return int answer -1 with the error written, unless said otherwise. */

/* Always -1. */
int timed_fail(struct timed_socket *timed, const char *text);
/* events as poll() has them; 0 when there are some. */
int timed_await(struct timed_socket *timed, short events);
/* Open and connect; fd is to be closed afterwards in any case, unless it is -1. type: SOCK_STREAM, or
 * SOCK_DGRAM, which waits for nobody. */
int timed_connect(struct timed_socket *timed, int type,
    const struct sockaddr *address, socklen_t len);
void timed_close(struct timed_socket *timed);

/* The bytes that went or came, or 0: call it again. The other side's end is an error. */
int timed_send(struct timed_socket *timed, const char *data, size_t len);
int timed_receive(struct timed_socket *timed, char *out, size_t cap);

#endif
