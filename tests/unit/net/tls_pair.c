/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <unistd.h>

#include "cert.h"
#include "tls_pair.h"

static struct tls_context *server_context, *client_context;

void
tls_pair_begin(const char *names)
{
	char file[] = "/tmp/taupe-test-pair-XXXXXX";
	EVP_PKEY *key = cert_key_new();
	X509 *cert = cert_new(key, "relay.test", names, NULL, -DAY_S, DAY_S);
	const char *error;

	cert_write(file, cert, key);
	server_context = tls_context_new_server(file, NULL, &error);
	ck_assert_msg(server_context != NULL, "%s", error);
	client_context = tls_context_new_client(file, &error);
	ck_assert_msg(client_context != NULL, "%s", error);
	unlink(file);
	X509_free(cert);
	EVP_PKEY_free(key);
}

void
tls_pair_end(void)
{
	tls_context_free(&server_context);
	tls_context_free(&client_context);
}

struct tls *
tls_pair_client(void)
{
	struct tls *tls = tls_new_client(client_context, "relay.test");

	ck_assert_ptr_nonnull(tls);
	return tls;
}

struct tls *
tls_pair_server(void)
{
	struct tls *tls = tls_new_server(server_context);

	ck_assert_ptr_nonnull(tls);
	return tls;
}

int
tls_pair_shake_hands(struct tls *client, struct tls *server)
{
	enum tls_result at_client = TLS_WANT_READ, at_server = TLS_WANT_READ;
	int waited = 0;

	for (int n = 0;
	     n < 1000 && (at_client != TLS_OK || at_server != TLS_OK); n++) {
		if (at_client != TLS_OK)
			at_client = tls_handshake(client);
		if (at_server != TLS_OK)
			at_server = tls_handshake(server);
		ck_assert_msg(at_client != TLS_FAILED, "%s", tls_error(client));
		ck_assert_msg(at_server != TLS_FAILED, "%s", tls_error(server));
		waited +=
		    at_client == TLS_WANT_WRITE || at_server == TLS_WANT_WRITE;
	}
	ck_assert_int_eq(at_client, TLS_OK);
	ck_assert_int_eq(at_server, TLS_OK);
	return waited;
}
