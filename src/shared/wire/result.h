/* SPDX-License-Identifier: MIT */
/* What every decoder in wire answers. */
#ifndef TAUPE_WIRE_RESULT_H
#define TAUPE_WIRE_RESULT_H

enum wire_result {
	WIRE_DONE, /* one whole thing was decoded */
	WIRE_MORE, /* the input ends before the thing does; call again with more */
	WIRE_BAD   /* the input breaks the rules; the connection must end */
};

#if defined(__GNUC__)
#define WIRE_MUST_CHECK __attribute__((warn_unused_result))
/* On the way of what goes wrong: not worth a copy of it in each caller. */
#define WIRE_COLD __attribute__((noinline, cold))
#else
#define WIRE_MUST_CHECK
#define WIRE_COLD
#endif

#endif
