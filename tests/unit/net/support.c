/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <fcntl.h>
#include <unistd.h>

#include "support.h"

#define LIMIT_MS 10000
#define POLL_MS 1

struct watch {
	struct loop *loop;
	struct timer timer;
	const int *counter;
	int at_least;
	uint64_t until_ms;
};

static void
watch_cb(void *ctx)
{
	struct watch *watch = ctx;

	if ((watch->counter != NULL && *watch->counter >= watch->at_least) ||
	    loop_now_ms(watch->loop) >= watch->until_ms)
		loop_stop(watch->loop);
	else
		timer_set(watch->loop, &watch->timer, POLL_MS);
}

static void
run(struct loop *loop, const int *counter, int at_least, uint64_t limit_ms)
{
	struct watch watch = {
	    .loop = loop,
	    .counter = counter,
	    .at_least = at_least,
	    .until_ms = loop_now_ms(loop) + limit_ms,
	};

	timer_init(&watch.timer, watch_cb, &watch);
	timer_set(loop, &watch.timer, 0);
	ck_assert_int_eq(loop_run(loop), 0);
	timer_clear(loop, &watch.timer);
}

void
run_until(struct loop *loop, const int *counter, int at_least)
{
	run(loop, counter, at_least, LIMIT_MS);
	ck_assert_int_ge(*counter, at_least);
}

void
run_for_ms(struct loop *loop, uint64_t ms)
{
	run(loop, NULL, 0, ms);
}

struct address
address_from(const char *text)
{
	struct address address;

	ck_assert_msg(address_parse(str_of(text), &address), "%s", text);
	return address;
}

int
dial(const struct address *to)
{
	int fd = socket(to->sa.sa_family, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, &to->sa, to->len), 0);
	return fd;
}

int
open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}
