/* SPDX-License-Identifier: MIT */
/* What a dial in vain is said to have cost where the system does not count: this program's does not,
 * whatever it can. */
#include "config.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/dial.h"
#include "net/way.h"
#include "support.h"

/* As a certificate's authority; nobody gets as far as to be asked for a certificate. */
static const char authority[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBbjCCARWgAwIBAgIUY2CJud5VCdi3buNfcZdDLIRbSNcwCgYIKoZIzj0EAwIw\n"
    "DDEKMAgGA1UEAwwBeDAgFw0yNjExMjYxOTUzMzZaGA8yMTI2MTEwMjE5NTMzNlow\n"
    "DDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNoKYjaUDE74\n"
    "6EtCRxvEjJx31oSJyltC0wEHwrwRd0tFSEndKMb3//seBS3m4vmKeD32Au+BJUGW\n"
    "KdJDvGlFeCWjUzBRMB0GA1UdDgQWBBR7G5f37wGuT4vRuYkIxha3CpGJEzAfBgNV\n"
    "HSMEGDAWgBR7G5f37wGuT4vRuYkIxha3CpGJEzAPBgNVHRMBAf8EBTADAQH/MAoG\n"
    "CCqGSM49BAMCA0cAMEQCIF0qibB4GvpVsBOHlqTjT8G3YY6ipcItIhJdPqt1J8KN\n"
    "AiBrE7OIrgq3E1/hjIflNUVM2JWVLaYte5+aTI/y5UwwqA==\n"
    "-----END CERTIFICATE-----\n";

static struct loop *loop;
static struct resolver *resolver;
static struct dialler *dialler;
static struct conn conn;
static char error[300];
static uint64_t cost;

bool
way_bytes(int fd, bool ipv6, uint64_t *bytes)
{
	(void)fd;
	(void)ipv6;
	(void)bytes;
	return false;
}

bool
way_is_ipv6(int fd)
{
	(void)fd;
	return false;
}

static void
dialled_cb(void *ctx, const char *why)
{
	(void)ctx;
	strncpy(error, why != NULL ? why : "", sizeof(error) - 1);
	loop_stop(loop);
}

/* Dial, and wait for the end. */
static void
dial(const struct dial_to *to, uint64_t timeout_ms)
{
	struct dial_to counted = *to;

	cost = 0;
	counted.failed_bytes = &cost;
	ck_assert_ptr_nonnull(
	    dial_start(dialler, &conn, &counted, timeout_ms, dialled_cb, NULL));
	ck_assert_int_eq(loop_run(loop), 0);
}

static void
begin(void)
{
	loop = loop_new();
	resolver = resolver_new(loop, NULL);
	dialler = dialler_new(loop, resolver);
	ck_assert_ptr_nonnull(dialler);
}

static void
end(void)
{
	conn_fini(&conn);
	dialler_free(&dialler);
	resolver_free(&resolver);
	loop_free(&loop);
}

START_TEST(one_that_is_refused_costs_a_packet_each_way)
{
	struct dial_to to = {.host = "127.0.0.1"};

	begin();
	close(listen_on_loopback(5, &to.port));
	dial(&to, 500);
	ck_assert_str_eq(error, "Connection refused");
	ck_assert_uint_ge(cost, 2 * 54);
	ck_assert_uint_le(cost, 2 * 100);
	end();
}
END_TEST

START_TEST(one_that_succeeds_costs_nothing_here)
{
	struct dial_to to = {.host = "127.0.0.1"};
	int fd = listen_on_loopback(5, &to.port);

	begin();
	dial(&to, 500);
	ck_assert_str_eq(error, "");
	ck_assert_uint_eq(cost, 0);
	end();
	close(fd);
}
END_TEST

/* After one second a SYN is sent again. */
START_TEST(silence_costs_what_is_sent_again)
{
	struct dial_to to = {.host = "127.0.0.1"};
	int fd = listen_on_loopback(0, &to.port), full[4];
	struct sockaddr_in address = {.sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	    .sin_port = htons(to.port)};
	uint64_t once;

	for (size_t i = 0; i < COUNT(full); i++) {
		full[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(
		    full[i], (struct sockaddr *)&address, sizeof(address));
	}
	begin();
	dial(&to, 50);
	ck_assert_str_eq(error, "connecting took too long");
	once = cost;
	dial(&to, 1100);
	ck_assert_uint_ge(cost, once + 54);
	ck_assert_uint_le(cost, once + 100);
	end();
	for (size_t i = 0; i < COUNT(full); i++)
		close(full[i]);
	close(fd);
}
END_TEST

/* Before it has read what it is asked: writing that fails. */
START_TEST(proxy_that_resets_has_cost_a_connection)
{
	struct proxy proxy = {.host = "127.0.0.1"};
	struct dial_to to = {.host = "relay.example",
	    .port = 80,
	    .proxy = &proxy,
	    .failed_bytes = &cost};
	struct linger at_once = {.l_onoff = 1};
	int fd = listen_on_loopback(5, &proxy.port), accepted;

	begin();
	cost = 0;
	ck_assert_ptr_nonnull(
	    dial_start(dialler, &conn, &to, 5000, dialled_cb, NULL));
	accepted = accept(fd, NULL, NULL);
	ck_assert_int_eq(setsockopt(accepted, SOL_SOCKET, SO_LINGER, &at_once,
			     sizeof(at_once)),
	    0);
	close(accepted);
	ck_assert_int_eq(loop_run(loop), 0);
	ck_assert_ptr_nonnull(strstr(error, "the connection was reset"));
	ck_assert_uint_ge(cost, 1300);
	ck_assert_uint_le(cost, 2000);
	end();
	close(fd);
}
END_TEST

START_TEST(handshake_costs_more_than_a_connection)
{
	char file[] = "/tmp/taupe-test-ca-XXXXXX";
	const char *why;
	int ca = mkstemp(file);
	struct tls_context *tls;
	struct dial_to to = {.host = "127.0.0.1", .tls = &tls};
	int fd = listen_on_loopback(5, &to.port);

	ck_assert_int_eq(write(ca, authority, strlen(authority)),
	    (ssize_t)strlen(authority));
	close(ca);
	tls = tls_context_new_client(file, &why);
	ck_assert_msg(tls != NULL, "%s", why);
	unlink(file);
	begin();
	dial(&to, 50);
	ck_assert_str_eq(error, "connecting took too long");
	/* hello, certificate, and what they travel in */
	ck_assert_uint_ge(cost, 3000);
	ck_assert_uint_le(cost, 8000);
	end();
	tls_context_free(&tls);
	close(fd);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    one_that_is_refused_costs_a_packet_each_way,
	    one_that_succeeds_costs_nothing_here,
	    silence_costs_what_is_sent_again,
	    proxy_that_resets_has_cost_a_connection,
	    handshake_costs_more_than_a_connection,
	};

	return run_suite("dial_cost", tests, COUNT(tests));
}
