/* SPDX-License-Identifier: MIT */
/* How records get to the socket and from there: in bulk, through sockets that are full, at
 * every cut, and when the connection ends with some of them still waiting. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream.h"
#include "tls_pair.h"

#define RECORD 16384
#define NAMES "DNS:relay.test"
#define NARROW 8192 /* SO_SNDBUF; less than a record */
#define MORE_THAN_NARROW (256u * 1024)

static struct tls *client, *server;
static int ends[2]; /* client, server */
static uint8_t data[MORE_THAN_NARROW], got[MORE_THAN_NARROW + 1];

/* Sockets of the file system, which know no windows and no delays. send_room 0: as the system
 * likes it. */
static void
socket_pair(int pair[2], int send_room)
{
	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	for (int i = 0; send_room > 0 && i < 2; i++)
		ck_assert_int_eq(setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF,
				     &send_room, sizeof(send_room)),
		    0);
}

static void
open_sockets(int send_room)
{
	socket_pair(ends, send_room);
	client = tls_pair_client();
	server = tls_pair_server();
	ck_assert_int_eq(tls_set_fd(client, ends[0]), 0);
	ck_assert_int_eq(tls_set_fd(server, ends[1]), 0);
}

static void
hang_up(void)
{
	tls_free(&client);
	tls_free(&server);
	for (int i = 0; i < 2; i++) {
		if (ends[i] >= 0)
			close(ends[i]);
		ends[i] = -1;
	}
}

/* Connected, and the client has seen the server's tickets. */
static void
connect_ends(int send_room)
{
	size_t done;

	tls_pair_begin(NAMES);
	open_sockets(send_room);
	(void)tls_pair_shake_hands(client, server);
	ck_assert_int_eq(
	    tls_read(client, got, sizeof(got), &done), TLS_WANT_READ);
}

static void
setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	ends[0] = ends[1] = -1;
	pattern_fill(data, sizeof(data), 0);
}

static void
teardown(void)
{
	hang_up();
	tls_pair_end();
	buf_pool_drain();
}

static int
arrived(int fd)
{
	int bytes;

	ck_assert_int_eq(ioctl(fd, FIONREAD, &bytes), 0);
	return bytes;
}

/* Write all of it; nothing is sent. */
static void
seal(struct tls *tls, size_t offset, size_t len)
{
	size_t done;

	ck_assert_int_eq(tls_write(tls, data + offset, len, &done), TLS_OK);
	ck_assert_uint_eq(done, len);
}

/* The client writes until the system and its own buffer are full: the count. */
static size_t
fill_up(void)
{
	enum tls_result result = TLS_OK;
	size_t sent = 0, done;

	while (result == TLS_OK && sent < sizeof(data)) {
		result =
		    tls_write(client, data + sent, sizeof(data) - sent, &done);
		sent += done;
	}
	ck_assert_int_eq(result, TLS_WANT_WRITE);
	ck_assert_int_eq(tls_flush(client), TLS_WANT_WRITE);
	ck_assert_uint_gt(tls_unsent(client), 0);
	ck_assert_uint_le(tls_unsent(client), BUF_SEALED);
	return sent;
}

/* The server reads what has come, behind what it has: the last result. */
static enum tls_result
take(size_t *received)
{
	enum tls_result result;
	size_t done;

	do {
		result = tls_read(
		    server, got + *received, sizeof(got) - *received, &done);
		*received += done;
	} while (result == TLS_OK);
	return result;
}

START_TEST(a_write_is_one_send)
{
	size_t received = 0;

	connect_ends(0);
	seal(client, 0, 10);
	seal(client, 10, BUF_LARGE - 10);
	ck_assert_uint_gt(tls_unsent(client), BUF_LARGE);
	ck_assert_int_eq(arrived(ends[1]), 0);
	ck_assert_int_eq(tls_flush(client), TLS_OK);
	ck_assert_uint_eq(tls_unsent(client), 0);
	ck_assert_ptr_null(client->bio.out);
	ck_assert_int_eq(take(&received), TLS_WANT_READ);
	ck_assert_uint_eq(received, BUF_LARGE);
	pattern_check(got, received, 0);
}
END_TEST

START_TEST(a_read_takes_all_the_records_that_came)
{
	size_t done;

	connect_ends(0);
	for (size_t i = 0; i < 20; i++)
		seal(client, 100 * i, 100);
	seal(client, 2000, 2 * RECORD);
	ck_assert_int_eq(tls_flush(client), TLS_OK);
	ck_assert_int_eq(tls_read(server, got, sizeof(got), &done), TLS_OK);
	ck_assert_uint_eq(done, 2000 + 2 * RECORD);
	pattern_check(got, done, 0);
	ck_assert(tls_is_dry(server));
	ck_assert_ptr_null(server->bio.in);
}
END_TEST

START_TEST(what_does_not_fit_is_read_next)
{
	size_t done, received = 0;

	connect_ends(0);
	seal(client, 0, 1000);
	seal(client, 1000, 1000);
	ck_assert_int_eq(tls_flush(client), TLS_OK);
	while (received < 2000) {
		ck_assert_int_eq(
		    tls_read(server, got + received, 7, &done), TLS_OK);
		received += done;
		ck_assert_int_eq(tls_is_dry(server), received == 2000);
	}
	pattern_check(got, received, 0);
}
END_TEST

START_TEST(a_certificate_larger_than_the_socket_waits_for_room)
{
	static char names[40000];
	size_t len = (size_t)snprintf(names, sizeof(names), NAMES);

	for (int i = 0; len < tls_pair_certificate_max - 40; i++)
		len += (size_t)snprintf(names + len, sizeof(names) - len,
		    ",DNS:device-%d.example.com", i);
	tls_pair_begin(names);
	open_sockets((int)tls_pair_certificate_max / 5);
	ck_assert_int_gt(tls_pair_shake_hands(client, server), 0);
	seal(server, 0, 5);
	ck_assert_int_eq(tls_flush(server), TLS_OK);
	ck_assert_int_eq(tls_read(client, got, 5, &len), TLS_OK);
	ck_assert_uint_eq(len, 5);
}
END_TEST

/* One direction through a narrow socket, in pieces of all sizes; what had to wait is offered
 * again from another place. */
struct flow {
	struct tls *from, *to;
	size_t taken, received, n_full, n_empty;
	unsigned seed;
};

static void
flow_write(struct flow *flow, size_t total)
{
	static uint8_t copies[2][MORE_THAN_NARROW];
	uint8_t *copy = copies[flow->n_full % 2];
	size_t len = total - flow->taken, done;

	if (len > 0) {
		size_t most = (size_t)rand_r(&flow->seed) % 70000 + 1;

		/* at least what was offered before */
		if (flow->n_full == 0 && len > most)
			len = most;
		memcpy(copy, data + flow->taken, len);
		if (tls_write(flow->from, copy, len, &done) != TLS_OK)
			flow->n_full++;
		flow->taken += done;
		memset(copy, 0, len);
	}
	ck_assert_int_ne(tls_flush(flow->from), TLS_FAILED);
}

static void
flow_read(struct flow *flow, uint8_t *out)
{
	size_t cap = (size_t)rand_r(&flow->seed) % 40000 + 1, done;

	if (cap > MORE_THAN_NARROW - flow->received)
		cap = MORE_THAN_NARROW - flow->received;
	if (cap == 0)
		return;
	switch (tls_read(flow->to, out + flow->received, cap, &done)) {
	case TLS_OK:
		flow->received += done;
		break;
	case TLS_WANT_READ:
		flow->n_empty++;
		break;
	default:
		ck_abort_msg("%s", tls_error(flow->to));
	}
}

START_TEST(bytes_pass_both_ways_through_narrow_sockets)
{
	static uint8_t back[MORE_THAN_NARROW];
	struct flow there, here;

	connect_ends(NARROW);
	there = (struct flow){.from = client, .to = server, .seed = 1};
	here = (struct flow){.from = server, .to = client, .seed = 2};
	for (int n = 0; n < 100000 &&
	     (there.received < sizeof(data) || here.received < sizeof(data));
	     n++) {
		flow_write(&there, sizeof(data));
		flow_write(&here, sizeof(data));
		flow_read(&there, got);
		flow_read(&here, back);
	}
	ck_assert_uint_eq(there.received, sizeof(data));
	ck_assert_uint_eq(here.received, sizeof(data));
	pattern_check(got, sizeof(data), 0);
	pattern_check(back, sizeof(data), 0);
	ck_assert_uint_gt(there.n_full, 0);
	ck_assert_uint_gt(here.n_full, 0);
	ck_assert_uint_gt(there.n_empty, 0);
	ck_assert_ptr_null(client->bio.out);
	ck_assert_ptr_null(server->bio.in);
}
END_TEST

/* Three records, of which the server gets one byte after the other. */
START_TEST(records_come_at_any_cut)
{
	uint8_t sealed[400];
	int way[2];
	ssize_t len;
	size_t received = 0, done;

	connect_ends(0);
	seal(client, 0, 1);
	seal(client, 1, 100);
	seal(client, 101, 100);
	ck_assert_int_eq(tls_flush(client), TLS_OK);
	len = recv(ends[1], sealed, sizeof(sealed), 0);
	ck_assert_int_gt(len, 201);
	socket_pair(way, 0);
	server->bio.fd = way[0];
	for (ssize_t i = 0; i < len; i++) {
		enum tls_result result;

		ck_assert_int_eq(send(way[1], sealed + i, 1, 0), 1);
		result = tls_read(server, got + received, 500, &done);
		ck_assert_int_eq(result, done > 0 ? TLS_OK : TLS_WANT_READ);
		ck_assert(tls_is_dry(server));
		received += done;
	}
	ck_assert_uint_eq(received, 201);
	pattern_check(got, received, 0);
	close(way[1]);
	ck_assert_int_eq(tls_read(server, got, 500, &done), TLS_EOF);
	close(way[0]);
}
END_TEST

START_TEST(close_notify_waits_behind_a_full_pipe)
{
	size_t sent, received = 0;
	enum tls_result shut, result;

	connect_ends(NARROW);
	/* all that is written is sealed */
	for (sent = 0; tls_flush(client) == TLS_OK; sent += 1000)
		seal(client, sent, 1000);
	ck_assert_int_eq(tls_shutdown(client), TLS_WANT_WRITE);
	do {
		result = take(&received);
		shut = tls_shutdown(client);
	} while (result == TLS_WANT_READ);
	ck_assert_int_eq(shut, TLS_OK);
	ck_assert_int_eq(result, TLS_EOF);
	ck_assert_uint_eq(received, sent);
	pattern_check(got, received, 0);
	ck_assert(tls_pair_has_heard_bye(server));
	/* once only */
	ck_assert_int_eq(tls_shutdown(client), TLS_OK);
	ck_assert_int_eq(arrived(ends[1]), 0);
}
END_TEST

START_TEST(records_that_wait_go_with_the_connection)
{
	size_t sent, received = 0, done;

	connect_ends(NARROW);
	sent = fill_up();
	/* not even one record has passed */
	ck_assert_int_eq(tls_read(server, got, 1, &done), TLS_WANT_READ);
	while (tls_read(server, got, 1, &done) == TLS_WANT_READ)
		ck_assert_int_eq(tls_flush(client), TLS_WANT_WRITE);
	ck_assert_ptr_nonnull(client->bio.out);
	tls_free(&client);
	close(ends[0]);
	ends[0] = -1;
	received = done;
	ck_assert_int_eq(take(&received), TLS_EOF);
	ck_assert_uint_lt(received, sent);
	pattern_check(got, received, 0);
}
END_TEST

START_TEST(an_answer_waits_for_room_and_reading_goes_on)
{
	size_t sent, received = 0, done;

	connect_ends(NARROW);
	sent = fill_up();
	/* the server asks for new keys: the client must answer, behind what waits */
	tls_pair_ask_new_keys(server);
	seal(server, 0, 100);
	ck_assert_int_eq(tls_flush(server), TLS_OK);
	ck_assert_int_eq(tls_read(client, got, 500, &done), TLS_OK);
	ck_assert_uint_eq(done, 100);
	while (tls_flush(client) == TLS_WANT_WRITE)
		(void)take(&received);
	/* what was not taken goes with the new keys */
	while (sent < sizeof(data)) {
		(void)tls_write(
		    client, data + sent, sizeof(data) - sent, &done);
		sent += done;
		(void)tls_flush(client);
		(void)take(&received);
	}
	while (tls_flush(client) == TLS_WANT_WRITE || received < sent)
		ck_assert_int_eq(take(&received), TLS_WANT_READ);
	pattern_check(got, received, 0);
}
END_TEST

START_TEST(a_flush_to_nobody_fails)
{
	connect_ends(0);
	seal(client, 0, 10);
	close(ends[1]);
	ends[1] = -1;
	ck_assert_int_eq(shutdown(ends[0], SHUT_WR), 0);
	ck_assert_int_eq(tls_flush(client), TLS_FAILED);
	ck_assert_str_eq(
	    tls_error(client), "TLS with relay.test failed: Broken pipe");
	ck_assert_int_eq(tls_shutdown(client), TLS_FAILED);
}
END_TEST

START_TEST(half_a_handshake_and_an_end_is_an_error)
{
	static const uint8_t begun[] = {0x16, 3, 1, 2, 0, 1};

	tls_pair_begin(NAMES);
	open_sockets(0);
	ck_assert_int_eq(
	    send(ends[0], begun, sizeof(begun), 0), (ssize_t)sizeof(begun));
	ck_assert_int_eq(shutdown(ends[0], SHUT_WR), 0);
	/* no event would tell of the end once more */
	ck_assert_int_eq(tls_handshake(server), TLS_FAILED);
	ck_assert_ptr_nonnull(strstr(tls_error(server), "TLS failed: "));
}
END_TEST

START_TEST(an_end_behind_half_a_record_is_seen_at_once)
{
	static const uint8_t begun[] = {0x17, 3, 3, 0, 100, 1};
	size_t done;

	connect_ends(0);
	ck_assert_int_eq(
	    send(ends[0], begun, sizeof(begun), 0), (ssize_t)sizeof(begun));
	ck_assert_int_eq(shutdown(ends[0], SHUT_WR), 0);
	ck_assert_int_eq(tls_read(server, got, sizeof(got), &done), TLS_EOF);
	ck_assert_uint_eq(done, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tls_bio");
	TCase *tests = tcase_create("tls_bio");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_write_is_one_send);
	tcase_add_test(tests, a_read_takes_all_the_records_that_came);
	tcase_add_test(tests, what_does_not_fit_is_read_next);
	tcase_add_test(
	    tests, a_certificate_larger_than_the_socket_waits_for_room);
	tcase_add_test(tests, bytes_pass_both_ways_through_narrow_sockets);
	tcase_add_test(tests, records_come_at_any_cut);
	tcase_add_test(tests, close_notify_waits_behind_a_full_pipe);
	tcase_add_test(tests, records_that_wait_go_with_the_connection);
	if (tls_pair_is_1_3)
		tcase_add_test(
		    tests, an_answer_waits_for_room_and_reading_goes_on);
	tcase_add_test(tests, a_flush_to_nobody_fails);
	tcase_add_test(tests, half_a_handshake_and_an_end_is_an_error);
	tcase_add_test(tests, an_end_behind_half_a_record_is_seen_at_once);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
