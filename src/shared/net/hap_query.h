/* SPDX-License-Identifier: MIT */
/* One command to HAProxy's runtime socket for programs without a loop: its reply, line by line. */
#ifndef TAUPE_NET_HAP_QUERY_H
#define TAUPE_NET_HAP_QUERY_H

#include "wire/str.h"

#define HAP_QUERY_ERROR_MAX 200
#define HAP_QUERY_LINE_MAX 4096 /* bytes of a line; longer ones are cut */

typedef void (*hap_line_cb)(void *ctx, struct str line);

/* Ask, and wait no longer than timeout_ms between two pieces of the reply. command has its line
 * end. -1 with error filled: there is no socket, or no whole reply. */
int hap_query(const char *path, const char *command, uint64_t timeout_ms,
    hap_line_cb cb, void *ctx, char error[HAP_QUERY_ERROR_MAX]);

#endif
