/* SPDX-License-Identifier: MIT */
/* The pieces stand one behind the other; where each starts is kept, as the text moves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/registry_redis_args.h"

#define PIECE_MAX 512 /* bytes of a formatted piece: the longest is a key */

static bool
reserve(struct redis_args *args, size_t len)
{
	if (args->len + len > args->cap) {
		size_t cap = args->cap * 2 + len + 256;
		char *text = realloc(args->text, cap);

		if (text == NULL)
			return false;
		args->text = text;
		args->cap = cap;
	}
	if (args->n == args->n_cap) {
		size_t n_cap = args->n_cap * 2 + 16;
		size_t *starts = realloc(args->starts, n_cap * sizeof(*starts));

		if (starts == NULL)
			return false;
		args->starts = starts;
		args->n_cap = n_cap;
	}
	return true;
}

void
redis_args_add(struct redis_args *args, const char *piece)
{
	size_t len = strlen(piece) + 1;

	if (args->failed || !reserve(args, len)) {
		args->failed = true;
		return;
	}
	memcpy(args->text + args->len, piece, len);
	args->starts[args->n++] = args->len;
	args->len += len;
}

void
redis_args_addf(struct redis_args *args, const char *format, ...)
{
	char piece[PIECE_MAX];
	va_list ap;

	va_start(ap, format);
	if (vsnprintf(piece, sizeof(piece), format, ap) >= (int)sizeof(piece))
		args->failed = true;
	va_end(ap);
	redis_args_add(args, piece);
}

int
redis_args_send(struct redis_args *args, struct redis_link *link,
    redis_reply_cb cb, void *ctx)
{
	const char **argv =
	    args->failed ? NULL : calloc(args->n, sizeof(*argv));
	int result = -1;

	if (argv != NULL) {
		for (size_t i = 0; i < args->n; i++)
			argv[i] = args->text + args->starts[i];
		result =
		    redis_link_command(link, cb, ctx, (int)args->n, argv, NULL);
	}
	free(argv);
	redis_args_fini(args);
	return result;
}

void
redis_args_fini(struct redis_args *args)
{
	free(args->text);
	free(args->starts);
	*args = (struct redis_args)REDIS_ARGS_NONE;
}
