/* SPDX-License-Identifier: MIT */
/* On loopback: what a dial does with names, dead ports, silence and a change of mind. */
#include "config.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../net/allocations.h"
#include "net/dial.h"
#include "support.h"

struct bench {
	struct loop *loop;
	struct resolver *resolver;
	struct dialler *dialler;
	struct conn conn;
	struct timer timer;
	bool done;
	char error[300]; /* "": connected */
	uint64_t failed_bytes;
};

static void
dialled_cb(void *ctx, const char *error)
{
	struct bench *b = ctx;

	b->done = true;
	ck_assert(conn_is_open(&b->conn) == (error == NULL));
	strncpy(b->error, error != NULL ? error : "", sizeof(b->error) - 1);
	loop_stop(b->loop);
}

static void
give_up_cb(void *ctx)
{
	struct bench *b = ctx;

	loop_stop(b->loop);
}

static void
start(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	b->loop = loop_new();
	b->resolver = resolver_new(b->loop, NULL);
	b->dialler = dialler_new(b->loop, b->resolver);
	ck_assert_ptr_nonnull(b->dialler);
	timer_init(&b->timer, give_up_cb, b);
}

static void
end(struct bench *b)
{
	timer_clear(b->loop, &b->timer);
	conn_fini(&b->conn);
	dialler_free(&b->dialler);
	resolver_free(&b->resolver);
	loop_free(&b->loop);
}

/* Run until the dial is done; false: nothing came within a second. */
static bool
run(struct bench *b)
{
	timer_set(b->loop, &b->timer, 1000);
	ck_assert_int_eq(loop_run(b->loop), 0);
	return b->done;
}

static struct dial *
dial(struct bench *b, const char *host, uint16_t port, uint64_t timeout_ms)
{
	struct dial *d;

	b->done = false;
	d = dial_start(b->dialler, &b->conn,
	    &(struct dial_to){
		.host = host, .port = port, .failed_bytes = &b->failed_bytes},
	    timeout_ms, dialled_cb, b);
	ck_assert_ptr_nonnull(d);
	ck_assert(!b->done);
	return d;
}

START_TEST(connects_to_an_address_and_to_a_name)
{
	static const char *const hosts[] = {
	    "127.0.0.1", "localhost", "localhost"};
	struct bench b;
	uint16_t port;
	int fd = listen_on_loopback(5, &port);

	start(&b);
	/* nothing listens on ::1: a name with both goes on to the second; twice, because
	 * the second time it is remembered */
	for (size_t i = 0; i < COUNT(hosts); i++) {
		(void)dial(&b, hosts[i], port, 500);
		ck_assert(run(&b));
		ck_assert_str_eq(b.error, "");
		ck_assert_uint_eq(i == 0 ? b.failed_bytes : 0, 0);
		conn_fini(&b.conn);
	}
	end(&b);
	close(fd);
}
END_TEST

START_TEST(dead_port_is_an_error_from_the_loop)
{
	static const char *const hosts[] = {"127.0.0.1", "localhost"};
	struct bench b;
	uint16_t port;
	int fd = listen_on_loopback(5, &port);

	close(fd);
	start(&b);
	for (size_t i = 0; i < COUNT(hosts); i++) {
		(void)dial(&b, hosts[i], port, 500);
		ck_assert(run(&b));
		ck_assert_str_eq(b.error, "Connection refused");
#ifdef __linux__
		/* a SYN and a reset at least, each with three headers */
		ck_assert_uint_ge(b.failed_bytes, 2 * 54);
		b.failed_bytes = 0;
#endif
	}
	end(&b);
}
END_TEST

START_TEST(remembered_address_that_died_is_looked_up_again)
{
	struct bench b;
	uint16_t port;
	int fd = listen_on_loopback(5, &port);

	start(&b);
	(void)dial(&b, "localhost", port, 500);
	ck_assert(run(&b));
	conn_fini(&b.conn);
	close(fd);
	(void)dial(&b, "localhost", port, 500);
	ck_assert(run(&b));
	ck_assert_str_eq(b.error, "Connection refused");
	end(&b);
}
END_TEST

START_TEST(silence_is_given_up_in_time)
{
	struct bench b;
	uint16_t port;
	int fd = listen_on_loopback(0, &port), full[4];
	struct sockaddr_in address = {.sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	    .sin_port = htons(port)};

	/* a full backlog does not answer */
	for (size_t i = 0; i < COUNT(full); i++) {
		full[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(
		    full[i], (struct sockaddr *)&address, sizeof(address));
	}
	start(&b);
	(void)dial(&b, "127.0.0.1", port, 50);
	ck_assert(run(&b));
	ck_assert_str_eq(b.error, "connecting took too long");
	end(&b);
	for (size_t i = 0; i < COUNT(full); i++)
		close(full[i]);
	close(fd);
}
END_TEST

START_TEST(cancelled_dial_calls_nobody)
{
	struct bench b;
	struct dial *d;
	uint16_t port;
	int fd = listen_on_loopback(5, &port);

	start(&b);
	d = dial(&b, "127.0.0.1", port, 50);
	dial_cancel(&d);
	ck_assert_ptr_null(d);
	dial_cancel(&d);
	d = dial(&b, "localhost", port, 50);
	dial_cancel(&d);
	timer_set(b.loop, &b.timer, 100);
	ck_assert_int_eq(loop_run(b.loop), 0);
	ck_assert(!b.done);
	ck_assert(!conn_is_open(&b.conn));
	end(&b);
	close(fd);
}
END_TEST

#define DIALS 500

struct chain {
	struct bench b;
	uint16_t port;
	unsigned dials;
	size_t before; /* allocations at half-time */
};

static void next_dial_cb(void *ctx, const char *error);

static void
dial_again(void *ctx)
{
	struct chain *chain = ctx;
	struct bench *b = &chain->b;

	if (dial_start(b->dialler, &b->conn,
		&(struct dial_to){.host = "127.0.0.1", .port = chain->port},
		1000, next_dial_cb, chain) == NULL)
		loop_stop(b->loop);
}

static void
next_dial_cb(void *ctx, const char *error)
{
	struct chain *chain = ctx;

	/* no ck_assert here: it allocates */
	conn_fini(&chain->b.conn);
	if (++chain->dials == DIALS / 2)
		chain->before = allocations();
	if (error != NULL || chain->dials == DIALS)
		loop_stop(chain->b.loop);
	else
		dial_again(chain);
}

START_TEST(dials_one_after_the_other_allocate_nothing)
{
	struct chain chain = {.dials = 0};
	int fd = listen_on_loopback(DIALS, &chain.port);

	allocations_begin();
	start(&chain.b);
	timer_init(&chain.b.timer, dial_again, &chain);
	timer_set(chain.b.loop, &chain.b.timer, 0);
	ck_assert_int_eq(loop_run(chain.b.loop), 0);
	ck_assert_uint_eq(chain.dials, DIALS);
	ck_assert_uint_gt(chain.before, 0); /* they are seen */
	ck_assert_uint_eq(allocations() - chain.before, 0);
	end(&chain.b);
	close(fd);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    connects_to_an_address_and_to_a_name,
	    dead_port_is_an_error_from_the_loop,
	    remembered_address_that_died_is_looked_up_again,
	    silence_is_given_up_in_time,
	    cancelled_dial_calls_nobody,
	    dials_one_after_the_other_allocate_nothing,
	};

	return run_suite("dial", tests, COUNT(tests));
}
