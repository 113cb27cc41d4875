/* SPDX-License-Identifier: MIT */
/* A Redis command of any length, put together piece by piece. */
#ifndef TAUPE_REGISTRY_REGISTRY_REDIS_ARGS_H
#define TAUPE_REGISTRY_REGISTRY_REDIS_ARGS_H

#include "net/redis_link.h"

struct redis_args {
	char *text; /* all pieces, each with its NUL */
	size_t *starts;
	size_t len, cap;
	size_t n, n_cap;
	bool failed; /* no memory: it can only be freed */
};

/* All zeros: an empty command. */
#define REDIS_ARGS_NONE                                                        \
	{                                                                      \
		0                                                              \
	}

/* Add one piece. */
void redis_args_add(struct redis_args *args, const char *piece);
void redis_args_addf(struct redis_args *args, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Send, and free. -1: the link is down or there is no memory; no callback then. */
int redis_args_send(struct redis_args *args, struct redis_link *link,
    redis_reply_cb cb, void *ctx);
void redis_args_fini(struct redis_args *args);

#endif
