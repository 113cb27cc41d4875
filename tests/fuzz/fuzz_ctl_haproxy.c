/* SPDX-License-Identifier: MIT */
/* What taupectl reads of HAProxy's runtime socket, for cert ls and doctor: replies of any bytes. */
#include "ctl/doctor.h"
#include "ctl/hap_certs.h"

#include "serve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
list_certificates(const char *socket)
{
	char error[HAP_QUERY_ERROR_MAX], reply[HAP_CERT_REPLY_MAX];
	json_t *list = json_array(), *certificate;
	size_t i;

	if (hap_certs_list(socket, 10000, list, error) == 0)
		json_array_foreach (list, i, certificate) {
			REQUIRE(json_is_string(
			    json_object_get(certificate, "names")));
			REQUIRE(json_is_integer(
			    json_object_get(certificate, "expires_s")));
		}
	json_decref(list);
	if (hap_certs_ask(socket, "commit ssl cert x\n", 10000, reply) == 0)
		for (const char *at = reply; *at != '\0'; at++)
			REQUIRE(*at >= ' ' && *at <= '~');
}

static void
check(const char *socket)
{
	char *sockets[] = {(char *)(uintptr_t)socket};
	struct ctl_options options = {.json = true,
	    .haproxy_bufsize = 16384,
	    .haproxy = {.items = sockets, .count = 1}};
	struct doctor doctor = {
	    .options = &options, .timeout_ms = 10000, .has_routes = true};

	doctor.findings = json_array();
	known_routes_init(&doctor.routes);
	REQUIRE(known_routes_add(&doctor.routes, STR("http"),
		    STR("a.example.com"), STR("127.0.0.1,1,5")) == 0);
	doctor_check_haproxy(&doctor);
	REQUIRE(json_array_size(doctor.findings) > 0);
	known_routes_fini(&doctor.routes);
	json_decref(doctor.findings);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct serve serve;

	if (serve.fd == 0)
		serve_unix(&serve);
	serve_say(&serve, "", data, len);
	list_certificates(serve.path);
	check(serve.path);
	return 0;
}
