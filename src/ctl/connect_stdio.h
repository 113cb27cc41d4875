/* SPDX-License-Identifier: MIT */
/*
 * Standard input and output as one socket: a file, a pipe and a terminal are read and written by threads
 * of their own, since a loop can watch not all of them.
 */
#ifndef TAUPE_CTL_CONNECT_STDIO_H
#define TAUPE_CTL_CONNECT_STDIO_H

#include <stdbool.h>

/* Once in a process. *fd is the socket, the caller's. -1 with errno. */
int connect_stdio_begin(int *fd);
/* The socket is closed: wait until all that came of it was written. False: it could not be. What is
 * still to be read from standard input is not waited for. */
bool connect_stdio_end(void);

#endif
