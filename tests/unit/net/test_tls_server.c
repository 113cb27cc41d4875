/* SPDX-License-Identifier: MIT */
/* What a server shows: its certificate and key, and what becomes of wrong ones. */
#include <check.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cert.h"
#include "net/tls_openssl.h"

static EVP_PKEY *key;
static X509 *cert, *authority;
static char cert_file[] = "/tmp/taupe-test-cert-XXXXXX";
static char key_file[] = "/tmp/taupe-test-key-XXXXXX";
static char authority_file[] = "/tmp/taupe-test-authority-XXXXXX";
static char bundle[] = "/tmp/taupe-test-bundle-XXXXXX";
static struct tls_context *server_context, *client_context;
static struct tls *server, *client;
static int ends[2];

static void
setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	ends[0] = ends[1] = -1;
	key = cert_key_new();
	cert =
	    cert_new(key, "relay.test", "DNS:relay.test", NULL, -DAY_S, DAY_S);
	cert_write(cert_file, cert, NULL);
	cert_write(key_file, NULL, key);
	cert_write(bundle, cert, key);
	authority = cert_new(key, "devices", NULL, NULL, -DAY_S, DAY_S);
	cert_write(authority_file, authority, NULL);
}

static void
hang_up(void)
{
	tls_free(&client);
	tls_free(&server);
	if (ends[0] >= 0) {
		close(ends[0]);
		close(ends[1]);
	}
	ends[0] = ends[1] = -1;
}

static void
teardown(void)
{
	hang_up();
	tls_context_free(&server_context);
	tls_context_free(&client_context);
	X509_free(cert);
	X509_free(authority);
	EVP_PKEY_free(key);
	unlink(cert_file);
	unlink(key_file);
	unlink(bundle);
	unlink(authority_file);
}

static void
serve(const char *certificate, const char *its_key)
{
	const char *error;

	tls_context_free(&server_context);
	server_context = tls_context_new_server(certificate, its_key, &error);
	ck_assert_msg(server_context != NULL, "%s", error);
}

static void
trust(const char *file)
{
	const char *error;

	tls_context_free(&client_context);
	client_context = tls_context_new_client(file, &error);
	ck_assert_msg(client_context != NULL, "%s", error);
}

static void
call(void)
{
	hang_up();
	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	client = tls_new_client(client_context, "relay.test");
	server = tls_new_server(server_context);
	ck_assert_int_eq(tls_set_fd(client, ends[0]), 0);
	ck_assert_int_eq(tls_set_fd(server, ends[1]), 0);
}

/* The server's result; the client's in *at_client. */
static enum tls_result
shake_hands(enum tls_result *at_client)
{
	enum tls_result at_server = *at_client = TLS_WANT_READ;

	for (int n = 0; n < 20; n++) {
		if (*at_client == TLS_WANT_READ)
			*at_client = tls_handshake(client);
		if (at_server == TLS_WANT_READ)
			at_server = tls_handshake(server);
	}
	return at_server;
}

static void
exchange(struct tls *from, struct tls *to)
{
	char data[8];
	size_t done;

	ck_assert_int_eq(tls_write(from, "hello", 5, &done), TLS_OK);
	ck_assert_uint_eq(done, 5);
	ck_assert_int_eq(tls_flush(from), TLS_OK);
	ck_assert_int_eq(tls_read(to, data, sizeof(data), &done), TLS_OK);
	ck_assert_uint_eq(done, 5);
	ck_assert_mem_eq(data, "hello", 5);
}

static void
connects(void)
{
	enum tls_result at_client;

	call();
	ck_assert_int_eq(shake_hands(&at_client), TLS_OK);
	ck_assert_int_eq(at_client, TLS_OK);
	for (int n = 0; n < 3; n++) {
		exchange(client, server);
		exchange(server, client);
	}
}

static void
refuses(const char *certificate, const char *its_key, const char *what,
    const char *why)
{
	const char *error;
	struct tls_context *context =
	    tls_context_new_server(certificate, its_key, &error);

	ck_assert_ptr_null(context);
	ck_assert_msg(strstr(error, what) != NULL, "%s", error);
	ck_assert_msg(strstr(error, why) != NULL, "%s", error);
}

START_TEST(certificate_and_key_stand_in_one_file_or_in_two)
{
	trust(cert_file);
	serve(bundle, NULL);
	connects();
	serve(cert_file, key_file);
	connects();
}
END_TEST

START_TEST(connections_keep_the_certificate_that_they_began_with)
{
	char fresh_file[] = "/tmp/taupe-test-fresh-XXXXXX";
	X509 *fresh =
	    cert_new(key, "relay.test", "DNS:relay.test", NULL, -DAY_S, DAY_S);
	enum tls_result at_client;

	cert_write(fresh_file, fresh, key);
	trust(cert_file);
	serve(bundle, NULL);
	connects();
	serve(fresh_file, NULL);
	exchange(client, server);
	exchange(server, client);
	call();
	serve(bundle, NULL); /* for who comes after it */
	(void)shake_hands(&at_client);
	ck_assert_int_eq(at_client, TLS_FAILED);
	trust(fresh_file);
	serve(fresh_file, NULL);
	connects();
	unlink(fresh_file);
	X509_free(fresh);
}
END_TEST

START_TEST(who_comes_back_resumes)
{
	enum tls_result at_client;

	trust(cert_file);
	serve(bundle, NULL);
	connects();
	for (int n = 0; n < 3; n++) {
		call();
		ck_assert_int_eq(shake_hands(&at_client), TLS_OK);
		ck_assert_int_eq(SSL_session_reused(tls_ssl(server)), 1);
		exchange(client, server);
		exchange(server, client);
	}
}
END_TEST

/* Another thread may have it, and what is remembered is all connections'. */
START_TEST(an_isolated_connection_remembers_no_session)
{
	enum tls_result at_client;

	trust(cert_file);
	serve(bundle, NULL);
	for (int n = 0; n < 2; n++) {
		call();
		ck_assert_int_eq(shake_hands(&at_client), TLS_OK);
		ck_assert_int_eq(SSL_session_reused(tls_ssl(server)), 0);
		tls_isolate(client);
		exchange(server, client); /* the ticket is before it */
		exchange(client, server);
	}
}
END_TEST

/* As a relay does that is killed, or that lets agents go because they are too many. */
START_TEST(who_was_cut_off_in_the_handshake_resumes_the_next_time)
{
	int steps = _i / 2; /* of the handshake, before it is cut */
	bool tells =
	    _i % 2; /* does the client see the end, or does it leave? */
	enum tls_result at_client;

	trust(cert_file);
	serve(bundle, NULL);
	connects();
	for (int n = 0; n < 3; n++) {
		call();
		for (int step = 0; step <= steps; step++)
			if (step % 2 == 0)
				(void)tls_handshake(client);
			else
				(void)tls_handshake(server);
		if (tells) {
			char data[8];
			size_t done;

			tls_free(&server);
			ck_assert_int_eq(shutdown(ends[1], SHUT_RDWR), 0);
			if (tls_handshake(client) == TLS_OK)
				(void)tls_read(
				    client, data, sizeof(data), &done);
		}
	}
	call();
	ck_assert_int_eq(shake_hands(&at_client), TLS_OK);
	ck_assert_int_eq(SSL_session_reused(tls_ssl(server)), 1);
}
END_TEST

START_TEST(who_refuses_the_certificate_is_understood)
{
	enum tls_result at_client;
	X509 *other =
	    cert_new(key, "other.test", "DNS:other.test", NULL, -DAY_S, DAY_S);
	char other_file[] = "/tmp/taupe-test-other-XXXXXX";

	cert_write(other_file, other, NULL);
	trust(other_file);
	serve(bundle, NULL);
	call();
	ck_assert_int_eq(shake_hands(&at_client), TLS_FAILED);
	ck_assert_int_eq(at_client, TLS_FAILED);
	ck_assert_ptr_nonnull(strstr(tls_error(server), "TLS failed: "));
	ck_assert_ptr_nonnull(strstr(tls_error(server), "alert"));
	unlink(other_file);
	X509_free(other);
}
END_TEST

START_TEST(wrong_files_are_named)
{
	EVP_PKEY *other_key = cert_key_new();
	char other[] = "/tmp/taupe-test-other-XXXXXX";

	cert_write(other, NULL, other_key);
	refuses("/nonexistent", NULL, "a certificate from /nonexistent",
	    "No such file");
	refuses(cert_file, "/nonexistent", "private key from /nonexistent",
	    "No such file");
	refuses(
	    "/dev/null", NULL, "a certificate from /dev/null", "no start line");
	refuses(cert_file, NULL, cert_file, "there is none");
	refuses(cert_file, other, other, "key values mismatch");
	unlink(other);
	EVP_PKEY_free(other_key);
}
END_TEST

START_TEST(nobody_is_asked_for_a_password)
{
	char locked[] = "/tmp/taupe-test-locked-XXXXXX";
	FILE *file = fdopen(mkstemp(locked), "w");

	ck_assert_int_eq(PEM_write_PrivateKey(file, key, EVP_aes_128_cbc(),
			     (const unsigned char *)"secret", 6, NULL, NULL),
	    1);
	fclose(file);
	refuses(cert_file, locked, locked, "there is none without a password");
	unlink(locked);
}
END_TEST

static const uint8_t secret[TLS_TICKET_SECRET_LEN] = "of the cluster";

static void
share(uint64_t period_ms)
{
	serve(bundle, NULL);
	ck_assert_int_eq(
	    tls_context_share_tickets(server_context, secret, period_ms), 0);
}

START_TEST(who_comes_to_another_server_with_the_secret_resumes)
{
	enum tls_result at_client;

	trust(cert_file);
	share(DAY_S * UINT64_C(1000));
	connects();
	for (int n = 0; n < 3; n++) {
		share(DAY_S * UINT64_C(1000));
		call();
		ck_assert_int_eq(shake_hands(&at_client), TLS_OK);
		ck_assert(tls_was_resumed(server));
		exchange(client, server);
		exchange(server, client);
	}
	serve(bundle, NULL);
	connects();
	ck_assert(!tls_was_resumed(server));
}
END_TEST

static void
show(X509 *certificate)
{
	char file[] = "/tmp/taupe-test-client-XXXXXX";
	const char *error;

	cert_write(file, certificate, key);
	trust(cert_file);
	ck_assert_int_eq(
	    tls_context_use_certificate(client_context, file, NULL, &error), 0);
	unlink(file);
}

static void
ask(bool required)
{
	struct tls_clients clients = {
	    .ca_file = authority_file, .required = required};
	const char *error;

	share(DAY_S * UINT64_C(1000));
	ck_assert_int_eq(
	    tls_context_ask_clients(server_context, &clients, &error), 0);
}

START_TEST(client_is_known_by_its_certificate_when_it_resumes_too)
{
	X509 *own =
	    cert_new(key, "dev", "DNS:dev,URI:x:y,URI:taupe:Dev_1,URI:taupe:2",
		authority, -DAY_S, DAY_S);
	char name[8];

	show(own);
	for (int n = 0; n < 3; n++) {
		ask(true);
		connects();
		ck_assert_int_eq(tls_was_resumed(server), n > 0);
		ck_assert_int_eq(
		    tls_peer_name(server, name, sizeof(name)), TLS_PEER_NAMED);
		ck_assert_str_eq(name, "Dev_1");
		ck_assert_int_eq(
		    tls_peer_name(server, name, 5), TLS_PEER_NAMELESS);
	}
	X509_free(own);
}
END_TEST

START_TEST(session_without_a_certificate_is_not_resumed_where_one_is_asked_for)
{
	enum tls_result at_client;

	trust(cert_file);
	share(DAY_S * UINT64_C(1000));
	connects();
	ask(true);
	call();
	ck_assert_int_eq(shake_hands(&at_client), TLS_FAILED);
	ask(false);
	connects();
	ck_assert(!tls_was_resumed(server));
	ck_assert_int_eq(tls_peer_name(server, NULL, 0), TLS_PEER_NONE);
}
END_TEST

START_TEST(certificate_of_a_stranger_is_refused)
{
	X509 *stranger =
	    cert_new(key, "dev", "URI:taupe:dev", NULL, -DAY_S, DAY_S);
	enum tls_result at_client;

	show(stranger);
	ask(false);
	call();
	ck_assert_int_eq(shake_hands(&at_client), TLS_FAILED);
	X509_free(stranger);
}
END_TEST

static enum tls_peer
name_of(const char *names, long until_s, char name[8])
{
	X509 *made = cert_new(key, "d", names, cert, -DAY_S, until_s);
	unsigned char *der = NULL;
	int len = i2d_X509(made, &der);
	enum tls_peer result = tls_certificate_name(der, (size_t)len, name, 8);

	for (int cut = 0; cut < len; cut++)
		ck_assert_int_eq(
		    tls_certificate_name(der, (size_t)cut, name, 8),
		    TLS_PEER_NAMELESS);
	(void)tls_certificate_name(der, (size_t)len, name, 8);
	OPENSSL_free(der);
	X509_free(made);
	return result;
}

START_TEST(names_in_certificates)
{
	char name[8];

	ck_assert_int_eq(name_of("URI:taupe:dev", DAY_S, name), TLS_PEER_NAMED);
	ck_assert_str_eq(name, "dev");
	ck_assert_int_eq(name_of("URI:taupe:dev", -1, name), TLS_PEER_EXPIRED);
	ck_assert_int_eq(name_of("URI:taupe:", DAY_S, name), TLS_PEER_NAMELESS);
	ck_assert_int_eq(name_of("DNS:dev", DAY_S, name), TLS_PEER_NAMELESS);
	ck_assert_int_eq(
	    name_of("URI:taupe:12345678", DAY_S, name), TLS_PEER_NAMELESS);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tls_server");
	TCase *tests = tcase_create("tls_server");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, certificate_and_key_stand_in_one_file_or_in_two);
	tcase_add_test(
	    tests, connections_keep_the_certificate_that_they_began_with);
	tcase_add_test(tests, who_comes_back_resumes);
	tcase_add_test(tests, an_isolated_connection_remembers_no_session);
	tcase_add_loop_test(tests,
	    who_was_cut_off_in_the_handshake_resumes_the_next_time, 0, 10);
	tcase_add_test(
	    tests, who_comes_to_another_server_with_the_secret_resumes);
	tcase_add_test(
	    tests, client_is_known_by_its_certificate_when_it_resumes_too);
	tcase_add_test(tests,
	    session_without_a_certificate_is_not_resumed_where_one_is_asked_for);
	tcase_add_test(tests, certificate_of_a_stranger_is_refused);
	tcase_add_test(tests, names_in_certificates);
	tcase_add_test(tests, who_refuses_the_certificate_is_understood);
	tcase_add_test(tests, wrong_files_are_named);
	tcase_add_test(tests, nobody_is_asked_for_a_password);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
