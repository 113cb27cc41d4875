/* SPDX-License-Identifier: MIT */
/* A client against OpenSSL's server side over a socket pair, both in one thread, with
 * certificates that are made as the tests need them. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cert.h"
#include "net/tls.h"
#include "net/tls_pin.h"

static EVP_PKEY *key;
static X509 *ca;
static char ca_file[] = "/tmp/taupe-test-ca-XXXXXX";
static SSL_CTX *server_ctx;
static SSL *server;
static struct tls_context *context;
static struct tls *client;
static int ends[2]; /* client, server */
static char sni[256];

static int
sni_cb(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	(void)arg;
	strncpy(sni, name != NULL ? name : "-", sizeof(sni) - 1);
	return SSL_TLSEXT_ERR_OK;
}

static void
serve(const char *names, X509 *issuer, long from_s, long until_s)
{
	X509 *cert = cert_new(key, "server", names, issuer, from_s, until_s);

	server_ctx = SSL_CTX_new(TLS_server_method());
	ck_assert_int_eq(SSL_CTX_use_certificate(server_ctx, cert), 1);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey(server_ctx, key), 1);
	ck_assert_int_eq(
	    SSL_CTX_set_session_id_context(server_ctx, (unsigned char *)"t", 1),
	    1);
	SSL_CTX_set_tlsext_servername_callback(server_ctx, sni_cb);
	X509_free(cert);
}

static void
serve_good(void)
{
	serve("DNS:relay.test,DNS:*.wild.test,IP:127.0.0.1,IP:::1", ca, -DAY_S,
	    DAY_S);
}

static void
hang_up(void)
{
	SSL_free(server);
	server = NULL;
	tls_free(&client);
	if (ends[0] >= 0)
		close(ends[0]);
	if (ends[1] >= 0)
		close(ends[1]);
	ends[0] = ends[1] = -1;
}

static void
call(const char *host)
{
	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	client = tls_new_client(context, host);
	ck_assert_ptr_nonnull(client);
	ck_assert_int_eq(tls_set_fd(client, ends[0]), 0);
	server = SSL_new(server_ctx);
	ck_assert_int_eq(SSL_set_fd(server, ends[1]), 1);
	SSL_set_accept_state(server);
	sni[0] = '\0';
}

static enum tls_result
shake_hands(void)
{
	enum tls_result result = TLS_WANT_READ;

	for (int i = 0;
	     i < 50 && (result == TLS_WANT_READ || result == TLS_WANT_WRITE);
	     i++) {
		result = tls_handshake(client);
		(void)SSL_do_handshake(server);
		ERR_clear_error();
	}
	return result;
}

static void
connect_to(const char *host)
{
	call(host);
	ck_assert_msg(shake_hands() == TLS_OK, "%s", tls_error(client));
}

static void
refused(const char *host, const char *error)
{
	call(host);
	ck_assert_int_eq(shake_hands(), TLS_FAILED);
	/* who has issued a certificate is said behind it, where the library tells */
	ck_assert_int_eq(
	    strncmp(tls_error(client), error, strlen(error)), 0);
	ck_assert(tls_error(client)[strlen(error)] == '\0' ||
	    strncmp(tls_error(client) + strlen(error), "; issued by \"", 13) ==
		0);
	hang_up();
}

static void
use_context(const char *file)
{
	const char *error;

	context = tls_context_new_client(file, &error);
	ck_assert_msg(context != NULL, "%s", error);
}

static void
setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	key = cert_key_new();
	ca = cert_new(key, "test authority", NULL, NULL, -DAY_S, DAY_S);
	cert_write(ca_file, ca, NULL);
	ends[0] = ends[1] = -1;
	use_context(ca_file);
}

static void
teardown(void)
{
	hang_up();
	tls_context_free(&context);
	SSL_CTX_free(server_ctx);
	X509_free(ca);
	EVP_PKEY_free(key);
	unlink(ca_file);
}

START_TEST(shakes_hands_with_a_trusted_host)
{
	serve_good();
	connect_to("relay.test");
	ck_assert_str_eq(sni, "relay.test");
	ck_assert_int_ge(SSL_version(server), TLS1_2_VERSION);
}
END_TEST

START_TEST(a_final_dot_is_not_part_of_the_name)
{
	serve_good();
	connect_to("relay.test.");
	ck_assert_str_eq(sni, "relay.test");
}
END_TEST

START_TEST(a_wildcard_stands_for_one_label)
{
	serve_good();
	connect_to("a.wild.test");
	hang_up();
	refused("a.b.wild.test",
	    "certificate verify failed for a.b.wild.test: hostname mismatch "
	    "(it is for other names: call the peer by one of them)");
	refused("wild.test",
	    "certificate verify failed for wild.test: hostname mismatch "
	    "(it is for other names: call the peer by one of them)");
}
END_TEST

START_TEST(an_address_is_verified_and_not_sent_as_a_name)
{
	serve_good();
	connect_to("127.0.0.1");
	ck_assert_str_eq(sni, "-");
	hang_up();
	connect_to("::1");
	ck_assert_str_eq(sni, "-");
	hang_up();
	connect_to("[::1]");
	hang_up();
	refused("127.0.0.2",
	    "certificate verify failed for 127.0.0.2: IP address mismatch "
	    "(it is for other names: call the peer by one of them)");
}
END_TEST

START_TEST(another_name_is_refused)
{
	serve_good();
	refused("evil.test",
	    "certificate verify failed for evil.test: hostname mismatch "
	    "(it is for other names: call the peer by one of them)");
}
END_TEST

START_TEST(an_unknown_authority_is_refused)
{
	X509 *other =
	    cert_new(key, "other authority", NULL, NULL, -DAY_S, DAY_S);

	serve("DNS:relay.test", other, -DAY_S, DAY_S);
	call("relay.test");
	ck_assert_int_eq(shake_hands(), TLS_FAILED);
	ck_assert_ptr_nonnull(strstr(tls_error(client),
	    "certificate verify failed for relay.test: unable to get local "
	    "issuer"));
	X509_free(other);
}
END_TEST

START_TEST(an_expired_certificate_is_refused)
{
	serve("DNS:relay.test", ca, -2 * DAY_S, -DAY_S);
	refused("relay.test",
	    "certificate verify failed for relay.test: certificate has "
	    "expired (renew it at the peer; is the clock right?)");
}
END_TEST

START_TEST(a_certificate_of_tomorrow_asks_for_the_clock)
{
	serve("DNS:relay.test", ca, DAY_S, 2 * DAY_S);
	refused("relay.test",
	    "certificate verify failed for relay.test: certificate is not "
	    "yet valid (is the clock right?)");
}
END_TEST

START_TEST(pins_are_read_strictly)
{
	static const struct {
		const char *text;
		bool right;
	} rows[] = {
	    {"sha256/YLh1dUR9y6Kja30RrAn7JKnbQG/uEtLMkBgFF2Fuihg=", true},
	    {"sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", true},
	    {"sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=", false},
	    {"sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", false},
	    {"sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", false},
	    {"sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", false},
	    {"sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", false},
	    {"sha256/AAAAAAAAAAAAAAAAAAAA-AAAAAAAAAAAAAAAAAAAAAA=", false},
	    {"sha256/AAAAAAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAAA=", false},
	    {"sha256//LhdUR9y6Kja30RrAn7JKnbQG/uEtLMkBgFF2Fuihg==", false},
	    {"sha1/YLh1dUR9y6Kja30RrAn7JKnbQG/uEtLMkBgFF2Fuihg=00", false},
	    {"sha256/", false},
	    {"", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[TLS_PIN_TEXT_MAX];
		struct tls_pin pin;

		ck_assert_msg(
		    tls_pin_parse(rows[i].text, &pin) == rows[i].right, "%s",
		    rows[i].text);
		if (rows[i].right)
			ck_assert_str_eq(
			    tls_pin_text(&pin, text), rows[i].text);
	}
}
END_TEST

START_TEST(a_pin_that_matches_stands_beside_verification)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);
	struct tls_pin pins[2] = {{{0}}, {{0}}};

	crypto_sha256(der, (size_t)len, pins[1].sha256);
	OPENSSL_free(der);
	ck_assert_int_eq(tls_context_pin(context, pins, 2), 0);
	serve_good();
	connect_to("relay.test");
	hang_up();
	refused("evil.test",
	    "certificate verify failed for evil.test: hostname mismatch "
	    "(it is for other names: call the peer by one of them)");
}
END_TEST

START_TEST(a_key_that_no_pin_names_is_refused_and_shown)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);
	struct tls_pin other = {{0}}, seen;
	char pin[TLS_PIN_TEXT_MAX], error[400];

	crypto_sha256(der, (size_t)len, seen.sha256);
	OPENSSL_free(der);
	ck_assert_int_eq(tls_context_pin(context, &other, 1), 0);
	serve_good();
	snprintf(error, sizeof(error),
	    "no pin matches for relay.test: its key is %s (if that is right, "
	    "add it as a pin)",
	    tls_pin_text(&seen, pin));
	/* twice: what was refused has left nothing to resume */
	refused("relay.test", error);
	refused("relay.test", error);
}
END_TEST

START_TEST(the_system_store_does_not_know_our_authority)
{
	serve_good();
	tls_context_free(&context);
	use_context(NULL);
	call("relay.test");
	ck_assert_int_eq(shake_hands(), TLS_FAILED);
	ck_assert_ptr_nonnull(
	    strstr(tls_error(client), "certificate verify failed"));
}
END_TEST

/* The system's store as the environment may name it: others and ours behind them. */
static void
use_store(char *path)
{
	FILE *file = fdopen(mkstemp(path), "w");

	ck_assert_ptr_nonnull(file);
	for (int i = 0; i < 5; i++) {
		X509 *other =
		    cert_new(key, "another", NULL, NULL, -DAY_S, DAY_S);

		ck_assert_int_eq(PEM_write_X509(file, other), 1);
		X509_free(other);
	}
	fputs("# text between them\n", file);
	ck_assert_int_eq(PEM_write_X509(file, ca), 1);
	fclose(file);
	setenv("SSL_CERT_FILE", path, 1);
	setenv("SSL_CERT_DIR", "/nonexistent", 1);
	tls_context_free(&context);
	use_context(NULL);
}

static void
forget_store(const char *path)
{
	unlink(path);
	unsetenv("SSL_CERT_FILE");
	unsetenv("SSL_CERT_DIR");
}

START_TEST(the_system_store_vouches_for_whom_it_knows)
{
	char store[] = "/tmp/taupe-test-store-XXXXXX";
	X509 *stranger = cert_new(key, "stranger", NULL, NULL, -DAY_S, DAY_S);

	use_store(store);
	serve_good();
	connect_to("relay.test");
	hang_up();
	connect_to("127.0.0.1");
	hang_up();
	refused("evil.test",
	    "certificate verify failed for evil.test: hostname mismatch "
	    "(it is for other names: call the peer by one of them)");
	refused("127.0.0.2",
	    "certificate verify failed for 127.0.0.2: IP address mismatch "
	    "(it is for other names: call the peer by one of them)");
	SSL_CTX_free(server_ctx);
	serve("DNS:relay.test", ca, -2 * DAY_S, -DAY_S);
	refused("relay.test",
	    "certificate verify failed for relay.test: certificate has "
	    "expired (renew it at the peer; is the clock right?)");
	SSL_CTX_free(server_ctx);
	serve("DNS:relay.test", stranger, -DAY_S, DAY_S);
	refused("relay.test",
	    "certificate verify failed for relay.test: unable to get local "
	    "issuer certificate (nobody in ca_file, or in the system's store, "
	    "vouches for it)");
	X509_free(stranger);
	forget_store(store);
}
END_TEST

START_TEST(the_system_store_may_be_a_folder)
{
	char folder[] = "/tmp/taupe-test-folder-XXXXXX", path[64];
	FILE *file;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/%08lx.0", folder,
	    X509_subject_name_hash(ca));
	ck_assert_ptr_nonnull(file = fopen(path, "w"));
	ck_assert_int_eq(PEM_write_X509(file, ca), 1);
	fclose(file);
	setenv("SSL_CERT_FILE", "/nonexistent", 1);
	setenv("SSL_CERT_DIR", folder, 1);
	tls_context_free(&context);
	use_context(NULL);
	serve_good();
	connect_to("relay.test");
	unlink(path);
	forget_store("/nonexistent");
	rmdir(folder);
}
END_TEST

START_TEST(a_pin_is_asked_of_whom_the_system_vouches_for)
{
	char store[] = "/tmp/taupe-test-store-XXXXXX";
	struct tls_pin other = {{0}};

	use_store(store);
	ck_assert_int_eq(tls_context_pin(context, &other, 1), 0);
	serve_good();
	call("relay.test");
	ck_assert_int_eq(shake_hands(), TLS_FAILED);
	ck_assert_ptr_nonnull(
	    strstr(tls_error(client), "no pin matches for relay.test"));
	forget_store(store);
}
END_TEST

/* The server shows who has signed it, and he is known to the store. */
START_TEST(a_chain_ends_at_an_authority_that_is_trusted)
{
	char store[] = "/tmp/taupe-test-store-XXXXXX";
	EVP_PKEY *own_key = cert_key_new();
	X509 *between = cert_new(own_key, "between", NULL, NULL, -DAY_S, DAY_S);
	X509 *cert;

	X509_set_issuer_name(between, X509_get_subject_name(ca));
	ck_assert_int_gt(X509_sign(between, key, EVP_sha256()), 0);
	cert = cert_new(
	    own_key, "server", "DNS:relay.test", between, -DAY_S, DAY_S);
	server_ctx = SSL_CTX_new(TLS_server_method());
	ck_assert_int_eq(SSL_CTX_use_certificate(server_ctx, cert), 1);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey(server_ctx, own_key), 1);
	SSL_CTX_set_tlsext_servername_callback(server_ctx, sni_cb);
	refused("relay.test",
	    "certificate verify failed for relay.test: unable to get local "
	    "issuer certificate (nobody in ca_file, or in the system's store, "
	    "vouches for it)");
	ck_assert_int_eq(SSL_CTX_add1_chain_cert(server_ctx, between), 1);
	connect_to("relay.test");
	hang_up();
	use_store(store);
	connect_to("relay.test");
	hang_up();
	X509_free(cert);
	X509_free(between);
	EVP_PKEY_free(own_key);
	forget_store(store);
}
END_TEST

START_TEST(tls_1_1_is_refused)
{
	serve_good();
	SSL_CTX_set_security_level(server_ctx, 0);
	SSL_CTX_set_min_proto_version(server_ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(server_ctx, TLS1_1_VERSION);
	call("relay.test");
	ck_assert_int_eq(shake_hands(), TLS_FAILED);
	ck_assert_ptr_nonnull(
	    strstr(tls_error(client), "TLS with relay.test failed: "));
}
END_TEST

START_TEST(a_peer_without_tls_is_said_so)
{
	serve_good();
	call("relay.test");
	ck_assert_int_eq(
	    write(ends[1], "HTTP/1.1 400 Bad Request\r\n\r\n", 28), 28);
	ck_assert_int_eq(tls_handshake(client), TLS_FAILED);
	ck_assert_str_eq(tls_error(client),
	    "TLS with relay.test failed: the peer does not speak TLS");
	ck_assert_int_eq(tls_handshake(client), TLS_FAILED);
}
END_TEST

START_TEST(an_end_during_the_handshake_is_an_error)
{
	serve_good();
	call("relay.test");
	ck_assert_int_eq(tls_handshake(client), TLS_WANT_READ);
	close(ends[1]);
	ends[1] = -1;
	ck_assert_int_eq(tls_handshake(client), TLS_FAILED);
	ck_assert_ptr_nonnull(
	    strstr(tls_error(client), "TLS with relay.test failed: "));
	ck_assert_int_eq(tls_shutdown(client), TLS_FAILED);
}
END_TEST

START_TEST(bytes_pass_both_ways)
{
	char data[64];
	size_t done;

	serve_good();
	connect_to("relay.test");
	ck_assert_int_eq(tls_write(client, "hello", 5, &done), TLS_OK);
	ck_assert_uint_eq(done, 5);
	ck_assert_int_eq(tls_flush(client), TLS_OK);
	ck_assert_int_eq(SSL_read(server, data, sizeof(data)), 5);
	ck_assert_mem_eq(data, "hello", 5);
	ck_assert_int_eq(
	    tls_read(client, data, sizeof(data), &done), TLS_WANT_READ);
	ck_assert_uint_eq(done, 0);
	ck_assert_int_eq(SSL_write(server, "world", 5), 5);
	ck_assert_int_eq(tls_read(client, data, 2, &done), TLS_OK);
	ck_assert_uint_eq(done, 2);
	ck_assert_int_eq(
	    tls_read(client, data + 2, sizeof(data) - 2, &done), TLS_OK);
	ck_assert_uint_eq(done, 3);
	ck_assert_mem_eq(data, "world", 5);
}
END_TEST

/* The socket is full: a write is taken up again later, from another place in memory. */
START_TEST(a_full_socket_makes_writes_wait)
{
	static char chunk[65536], copy[65536], out[65536];
	size_t done, sent = 0, received = 0;
	enum tls_result result;
	int got;

	serve_good();
	connect_to("relay.test");
	for (size_t i = 0; i < sizeof(chunk); i++)
		chunk[i] = copy[i] = (char)(i * 7);
	while (
	    (result = tls_write(client, chunk, sizeof(chunk), &done)) == TLS_OK)
		sent += done;
	ck_assert_int_eq(result, TLS_WANT_WRITE);
	while ((got = SSL_read(server, out, sizeof(out))) > 0)
		received += (size_t)got;
	ck_assert_int_eq(tls_write(client, copy, sizeof(copy), &done), TLS_OK);
	sent += done;
	do {
		result = tls_flush(client);
		while ((got = SSL_read(server, out, sizeof(out))) > 0)
			received += (size_t)got;
	} while (result == TLS_WANT_WRITE);
	ck_assert_uint_eq(received, sent);
}
END_TEST

START_TEST(close_notify_is_an_end)
{
	char data[8];
	size_t done;

	serve_good();
	connect_to("relay.test");
	ck_assert_int_eq(SSL_write(server, "x", 1), 1);
	ck_assert_int_eq(SSL_shutdown(server), 0);
	ck_assert_int_eq(tls_read(client, data, sizeof(data), &done), TLS_OK);
	ck_assert_int_eq(tls_read(client, data, sizeof(data), &done), TLS_EOF);
	/* Half-closed: our direction still works. */
	ck_assert_int_eq(tls_write(client, "y", 1, &done), TLS_OK);
	ck_assert_int_eq(tls_shutdown(client), TLS_OK);
}
END_TEST

START_TEST(shutdown_tells_the_peer)
{
	char data[8];

	serve_good();
	connect_to("relay.test");
	ck_assert_int_eq(tls_shutdown(client), TLS_OK);
	ck_assert_int_eq(SSL_read(server, data, sizeof(data)), 0);
	ck_assert_int_eq(SSL_get_shutdown(server) & SSL_RECEIVED_SHUTDOWN,
	    SSL_RECEIVED_SHUTDOWN);
}
END_TEST

START_TEST(an_end_without_close_notify_is_an_end)
{
	char data[8];
	size_t done;

	serve_good();
	connect_to("relay.test");
	while (tls_read(client, data, sizeof(data), &done) == TLS_OK)
		;
	close(ends[1]);
	ends[1] = -1;
	ck_assert_int_eq(tls_read(client, data, sizeof(data), &done), TLS_EOF);
	ck_assert_int_eq(tls_read(client, data, sizeof(data), &done), TLS_EOF);
	ck_assert_int_eq(tls_write(client, "x", 1, &done), TLS_OK);
	ck_assert_int_eq(tls_flush(client), TLS_FAILED);
	ck_assert_ptr_nonnull(
	    strstr(tls_error(client), "TLS with relay.test failed: "));
}
END_TEST

START_TEST(garbage_ends_the_connection)
{
	char data[8];
	size_t done;

	serve_good();
	connect_to("relay.test");
	while (tls_read(client, data, sizeof(data), &done) == TLS_OK)
		;
	ck_assert_int_eq(
	    write(ends[1],
		"\x17\x03\x03\x00\x20 garbage garbage garbage garbage", 37),
	    37);
	ck_assert_int_eq(
	    tls_read(client, data, sizeof(data), &done), TLS_FAILED);
	ck_assert_str_ne(tls_error(client), "");
}
END_TEST

static void
resume(int version)
{
	char data[8];
	size_t done;

	serve_good();
	SSL_CTX_set_max_proto_version(server_ctx, version);
	connect_to("relay.test");
	ck_assert_int_eq(SSL_session_reused(server), 0);
	/* TLS 1.3 sends its tickets behind the handshake. */
	ck_assert_int_eq(
	    tls_read(client, data, sizeof(data), &done), TLS_WANT_READ);
	ck_assert_int_eq(tls_shutdown(client), TLS_OK);
	hang_up();
	connect_to("relay.test");
	ck_assert_int_eq(SSL_session_reused(server), 1);
	/* The server dies. */
	(void)tls_read(client, data, sizeof(data), &done);
	close(ends[1]);
	ends[1] = -1;
	ck_assert_int_eq(tls_read(client, data, sizeof(data), &done), TLS_EOF);
	hang_up();
	connect_to("relay.test");
	ck_assert_int_eq(SSL_session_reused(server), 1);
	hang_up();
	/* What one host gave us is not shown to another. */
	connect_to("a.wild.test");
	ck_assert_int_eq(SSL_session_reused(server), 0);
}

START_TEST(a_session_is_resumed_with_the_same_host_only)
{
	resume(TLS1_3_VERSION);
}
END_TEST

START_TEST(a_session_of_tls_1_2_is_resumed_too)
{
	resume(TLS1_2_VERSION);
}
END_TEST

START_TEST(sessions_of_many_hosts_do_not_pile_up)
{
	char host[32], data[8];
	size_t done;

	serve_good();
	for (int i = 0; i < 30; i++) {
		snprintf(host, sizeof(host), "h%d.wild.test", i);
		connect_to(host);
		(void)tls_read(client, data, sizeof(data), &done);
		hang_up();
	}
	connect_to("h29.wild.test");
	ck_assert_int_eq(SSL_session_reused(server), 1);
	hang_up();
	connect_to("h0.wild.test");
	ck_assert_int_eq(SSL_session_reused(server), 0);
}
END_TEST

START_TEST(the_context_lives_as_long_as_its_connections)
{
	char data[8];
	size_t done;

	serve_good();
	call("relay.test");
	tls_context_free(&context);
	ck_assert_ptr_null(context);
	ck_assert_int_eq(shake_hands(), TLS_OK);
	(void)tls_read(client, data, sizeof(data), &done);
}
END_TEST

START_TEST(a_missing_ca_file_is_named)
{
	const char *error;

	ck_assert_ptr_null(
	    tls_context_new_client("/nonexistent/ca.pem", &error));
	ck_assert_ptr_nonnull(strstr(error, "/nonexistent/ca.pem"));
	ck_assert_ptr_null(tls_context_new_client("/dev/null", &error));
	ck_assert_ptr_nonnull(strstr(error, "/dev/null"));
}
END_TEST

START_TEST(a_host_that_cannot_be_is_refused)
{
	char host[400];

	memset(host, 'a', sizeof(host));
	host[sizeof(host) - 1] = '\0';
	ck_assert_ptr_null(tls_new_client(context, host));
	ck_assert_ptr_null(tls_new_client(context, ""));
}
END_TEST

/* What another connection left in the thread's error queue is not our error. */
START_TEST(old_errors_do_not_disturb)
{
	char data[8];
	size_t done;

	serve_good();
	connect_to("relay.test");
	while (tls_read(client, data, sizeof(data), &done) == TLS_OK)
		;
	ERR_put_error(ERR_LIB_SSL, 0, SSL_R_BAD_LENGTH, __FILE__, __LINE__);
	ck_assert_int_eq(
	    tls_read(client, data, sizeof(data), &done), TLS_WANT_READ);
	ERR_put_error(ERR_LIB_SSL, 0, SSL_R_BAD_LENGTH, __FILE__, __LINE__);
	ck_assert_int_eq(tls_write(client, "x", 1, &done), TLS_OK);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tls");
	TCase *tests = tcase_create("tls");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, shakes_hands_with_a_trusted_host);
	tcase_add_test(tests, a_final_dot_is_not_part_of_the_name);
	tcase_add_test(tests, a_wildcard_stands_for_one_label);
	tcase_add_test(tests, an_address_is_verified_and_not_sent_as_a_name);
	tcase_add_test(tests, another_name_is_refused);
	tcase_add_test(tests, an_unknown_authority_is_refused);
	tcase_add_test(tests, an_expired_certificate_is_refused);
	tcase_add_test(tests, a_certificate_of_tomorrow_asks_for_the_clock);
	tcase_add_test(tests, pins_are_read_strictly);
	tcase_add_test(tests, a_pin_that_matches_stands_beside_verification);
	tcase_add_test(tests, a_key_that_no_pin_names_is_refused_and_shown);
	tcase_add_test(tests, the_system_store_does_not_know_our_authority);
	tcase_add_test(tests, the_system_store_vouches_for_whom_it_knows);
	tcase_add_test(tests, the_system_store_may_be_a_folder);
	tcase_add_test(tests, a_pin_is_asked_of_whom_the_system_vouches_for);
	tcase_add_test(tests, a_chain_ends_at_an_authority_that_is_trusted);
	tcase_add_test(tests, tls_1_1_is_refused);
	tcase_add_test(tests, a_peer_without_tls_is_said_so);
	tcase_add_test(tests, an_end_during_the_handshake_is_an_error);
	tcase_add_test(tests, bytes_pass_both_ways);
	tcase_add_test(tests, a_full_socket_makes_writes_wait);
	tcase_add_test(tests, close_notify_is_an_end);
	tcase_add_test(tests, shutdown_tells_the_peer);
	tcase_add_test(tests, an_end_without_close_notify_is_an_end);
	tcase_add_test(tests, garbage_ends_the_connection);
	tcase_add_test(tests, a_session_is_resumed_with_the_same_host_only);
	tcase_add_test(tests, a_session_of_tls_1_2_is_resumed_too);
	tcase_add_test(tests, sessions_of_many_hosts_do_not_pile_up);
	tcase_add_test(tests, the_context_lives_as_long_as_its_connections);
	tcase_add_test(tests, a_missing_ca_file_is_named);
	tcase_add_test(tests, a_host_that_cannot_be_is_refused);
	tcase_add_test(tests, old_errors_do_not_disturb);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
