/* SPDX-License-Identifier: MIT */
/* Dialling a local stream socket by its path, for conn_init(). */
#ifndef TAUPE_NET_UNIX_SOCKET_H
#define TAUPE_NET_UNIX_SOCKET_H

/* A connected, non-blocking, close-on-exec descriptor. -1 with errno: there is no such
 * socket, nobody listens, its backlog is full (EAGAIN), or the path is too long
 * (ENAMETOOLONG). Never blocks: a local connect succeeds or fails at once. */
int unix_socket_connect(const char *path);

#endif
