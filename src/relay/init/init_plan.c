/* SPDX-License-Identifier: MIT */
/* The layout is here and nowhere else: which program has which port, file and password. */
#include "relay/init/init_plan.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/log.h"
#include "base/private_file.h"
#include "base/wipe.h"
#include "net/address.h"
#include "net/certificate.h"
#include "net/crypto.h"
#include "relay/embedded.h"
#include "relay/init/init_template.h"
#include "relay/listen_range.h"

#define SECRET_BYTES 32
#define PEM_MAX 65536
#define SELF_SIGNED_DAYS 825

int
init_fail(int code, const char *format, ...)
{
	va_list args;

	fputs("taupe-relay init: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("\n", stderr);
	return code;
}

int
init_fail_errno(const char *path)
{
	return init_fail(errno == ENOENT ? EX_NOINPUT : EX_CANTCREAT,
	    "%s: %s%s", path, log_errno(),
	    errno == EACCES
		? ": do it as root, or try it out below a folder of your own "
		  "(--root DIR)"
		: "");
}

static int
fail_memory(void)
{
	return init_fail(EX_OSERR, "out of memory");
}

char *
init_plan_config(const struct init_plan *plan, const char *name)
{
	return init_text("%s%s/%s", plan->root, TAUPE_SYSCONFDIR, name);
}

static char *
system_path(const struct init_plan *plan, const char *name)
{
	return init_text("%s/etc/%s", plan->root, name);
}

/* Take path and text, which are from malloc, or NULL when there was no memory for them. */
static int
add(struct init_plan *plan, char *path, char *text, mode_t mode,
    const char *group)
{
	assert(plan->n_files < INIT_FILES_MAX);
	plan->files[plan->n_files++] = (struct init_file){.path = path,
	    .text = text,
	    .mode = mode,
	    .group = group,
	    .secret = (mode & 07) == 0};
	return path != NULL && text != NULL ? EX_OK : fail_memory();
}

static int
add_folder(struct init_plan *plan, const char *name)
{
	assert(plan->n_folders < sizeof(plan->folders) / sizeof(char *));
	plan->folders[plan->n_folders] = init_text("%s%s", plan->root, name);
	return plan->folders[plan->n_folders++] != NULL ? EX_OK : fail_memory();
}

char *
init_read(const char *path)
{
	char *text = malloc(PEM_MAX);
	long len =
	    text != NULL ? private_file_read(NULL, path, text, PEM_MAX) : -1;

	if (len < 0 || len == PEM_MAX - 1) {
		int error = len < 0 ? errno : EFBIG;

		free(text);
		errno = error;
		return NULL;
	}
	return text;
}

/* ---- secrets ---- */

static char *
draw_secret(void)
{
	uint8_t random[SECRET_BYTES];
	char hex[2 * SECRET_BYTES + 1], *text;

	crypto_random(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(hex + 2 * i, 3, "%02x", random[i]);
	text = init_text("%s\n", hex);
	wipe(random, sizeof(random));
	wipe(hex, sizeof(hex));
	return text;
}

/* Add a file with a secret: the one that is there, or a new one. *text stays the plan's. */
static int
add_secret(struct init_plan *plan, const char *name, const char *group,
    const char **text)
{
	char *path = init_plan_config(plan, name), *found;
	int code;

	if (path == NULL)
		return fail_memory();
	found = init_read(path);
	if (found == NULL && errno != ENOENT) {
		code = init_fail_errno(path);
		free(path);
		return code;
	}
	code = add(plan, path, found ? found : draw_secret(), 0640, group);
	plan->files[plan->n_files - 1].kept = found != NULL;
	*text = plan->files[plan->n_files - 1].text;
	return code;
}

/* ---- the certificate ---- */

static char *
join_given(const struct init_options *options)
{
	char *certificate = init_read(options->certificate), *key = NULL,
	     *text = NULL;

	if (certificate == NULL) {
		init_fail_errno(options->certificate);
		return NULL;
	}
	if (options->key != NULL && (key = init_read(options->key)) == NULL)
		init_fail_errno(options->key);
	else
		text = init_text(
		    "%s%s%s", certificate, key ? "\n" : "", key ? key : "");
	if (key != NULL)
		wipe(key, strlen(key));
	free(key);
	wipe(certificate, strlen(certificate));
	free(certificate);
	return text;
}

/* Devices verify a self-signed certificate with itself. */
static int
add_authority(struct init_plan *plan, const char *bundle)
{
	static const char end_mark[] = "-----END CERTIFICATE-----\n";
	const char *begin = strstr(bundle, "-----BEGIN CERTIFICATE-----"),
		   *end = begin != NULL ? strstr(begin, end_mark) : NULL;

	if (end == NULL)
		return EX_OK;
	end += sizeof(end_mark) - 1;
	return add(plan, init_plan_config(plan, "ca.pem"),
	    init_text("%.*s", (int)(end - begin), begin), 0644, NULL);
}

/* Take text as the certificate at path. */
static int
take_certificate(struct init_plan *plan, char *path, char *text, bool kept,
    const char *source, const char *group)
{
	struct certificate_facts facts = {0};
	char *host = init_text("some-device.%s", plan->domain);
	const char *error;
	int code = add(plan, path, text, group ? 0640 : 0600, group);

	plan->files[plan->n_files - 1].kept = kept;
	/* HAProxy's folder: of two certificates for a name it may show the older one */
	plan->files[plan->n_files - 1].read_by_folder = group == NULL;
	if (code == EX_OK && host == NULL)
		code = fail_memory();
	if (code == EX_OK &&
	    certificate_judge(text, strlen(text), host, &facts, &error) != 0)
		code = init_fail(EX_DATAERR, "%s: %s", source, error);
	free(host);
	if (code != EX_OK)
		return code;
	plan->self_signed = facts.self_signed;
	plan->wrong_names = !facts.covers_host;
	plan->expired = facts.expired;
	return facts.self_signed ? add_authority(plan, text) : EX_OK;
}

static int
add_certificate(struct init_plan *plan, char *path, const char *group)
{
	const struct init_options *options = plan->options;
	char *text;

	if (path == NULL)
		return fail_memory();
	if (options->certificate != NULL) {
		if ((text = join_given(options)) == NULL) {
			free(path);
			return EX_NOINPUT;
		}
		return take_certificate(
		    plan, path, text, false, options->certificate, group);
	}
	if ((text = init_read(path)) != NULL)
		return take_certificate(plan, path, text, true, path, group);
	if (errno != ENOENT) {
		int code = init_fail_errno(path);

		free(path);
		return code;
	}
	return take_certificate(plan, path,
	    certificate_make(plan->domain, SELF_SIGNED_DAYS), false, path,
	    group);
}

/* ---- what is in the files ---- */

static const char header_format[] =
    "# Written by taupe-relay init %s; %s(5) explains every key.\n";

static void
begin_ini(const struct init_plan *plan, struct init_template *t,
    const char *source, const char *page)
{
	char *header = init_text(header_format, plan->domain, page);

	init_template_begin(t, source, " = ", header);
	free(header);
}

/* Set the key to text from malloc. */
static void
set_made(struct init_template *t, const char *key, char *value)
{
	if (value != NULL)
		init_template_set(t, key, value);
	else {
		free(t->text);
		t->text = NULL;
	}
	free(value);
}

static void
set_number(struct init_template *t, const char *key, int64_t value)
{
	set_made(t, key, init_text("%lld", (long long)value));
}

static uint16_t
port_of(const char *listen)
{
	struct address address;

	address_parse(str_of(listen), &address);
	return address_port(&address);
}

/* The host of ADDRESS:PORT, with the brackets that it has. */
static char *
host_of(const char *listen)
{
	return init_text("%.*s", (int)(strrchr(listen, ':') - listen), listen);
}

/* "ADDRESS:", with brackets if it needs them. */
static char *
at_address(const struct init_plan *plan, long long port)
{
	const char *address = plan->options->address;
	bool bare = strchr(address, ':') != NULL && address[0] != '[';

	return init_text(bare ? "[%s]:%lld" : "%s:%lld", address, port);
}

static char *
relay_url(const struct init_plan *plan, const char *name)
{
	uint16_t port = port_of(plan->options->https_listen);

	return port == 443
	    ? init_text("wss://%s.%s", name, plan->domain)
	    : init_text("wss://%s.%s:%u", name, plan->domain, port);
}

/* The part of service_ports that is the relay's, counted from 0. */
static char *
share_of_ports(const struct init_plan *plan, unsigned relay)
{
	struct listen_range all;
	char *text = init_text("127.0.0.1:%s", plan->options->service_ports),
	     *place, *range;
	unsigned each;

	if (text == NULL || !listen_range_parse(str_of(text), &all)) {
		free(text);
		return NULL;
	}
	free(text);
	each = (unsigned)(all.high - all.low + 1) / plan->relays;
	place = at_address(plan, all.low + relay * each);
	range = place != NULL
	    ? init_text("%s-%u", place, all.low + (relay + 1) * each - 1)
	    : NULL;
	free(place);
	return range;
}

static void
set_redis(const struct init_plan *plan, struct init_template *t,
    const char *user, const char *password)
{
	set_made(t, "redis", at_address(plan, plan->options->redis_port));
	init_template_set(t, "redis_user", user);
	set_made(t, "redis_password_file", init_plan_config(plan, password));
}

static int
add_relay(struct init_plan *plan, unsigned relay)
{
	const struct init_options *options = plan->options;
	uint16_t https = port_of(options->https_listen);
	struct init_template t;
	char id[16], file[32];

	snprintf(id, sizeof(id), "r%u", relay + 1);
	snprintf(file, sizeof(file), "relay-%u.ini", relay + 1);
	begin_ini(plan, &t, "examples/relay.ini", "taupe-relay.ini");
	init_template_set(&t, "domain", plan->domain);
	set_made(
	    &t, "agent_listen", at_address(plan, options->agent_port + relay));
	set_made(&t, "agent_url", relay_url(plan, id));
	init_template_set(&t, "devices_file", NULL);
	set_made(&t, "cluster_key_file", init_plan_config(plan, "cluster.key"));
	init_template_set(&t, "visitor_listen", NULL);
	set_made(&t, "service_listen", share_of_ports(plan, relay));
	set_made(&t, "admin_listen",
	    init_text(
		"127.0.0.1:%lld", (long long)options->admin_port + relay));
	init_template_set(&t, "id", id);
	set_redis(plan, &t, "taupe-relay", "redis-relay.password");
	init_template_set(&t, "admin_redis_user", "taupe-api");
	set_made(&t, "admin_redis_password_file",
	    init_plan_config(plan, "redis-api.password"));
	init_template_set(&t, "trusted_proxy", options->address);
	init_template_set(&t, "public_ports", options->public_ports);
	init_template_set(&t, "public_scheme", "https");
	if (https != 443) {
		set_number(&t, "public_http_port", https);
		set_number(&t, "public_tls_port", https);
	}
	return add(plan, init_plan_config(plan, file), t.text, 0644, NULL);
}

static int
add_lone_relay(struct init_plan *plan)
{
	const struct init_options *options = plan->options;
	uint16_t http = port_of(options->http_listen);
	char *host = host_of(options->http_listen);
	struct init_template t;

	begin_ini(plan, &t, "examples/relay.ini", "taupe-relay.ini");
	init_template_set(&t, "domain", plan->domain);
	init_template_set(&t, "agent_listen", "");
	init_template_set(&t, "agent_tls_listen", options->https_listen);
	set_made(&t, "tls_certificate", init_plan_config(plan, "relay.pem"));
	set_made(&t, "agent_url", relay_url(plan, "relay"));
	set_made(&t, "devices_file",
	    init_text("%s%s/devices", plan->root, TAUPE_STATEDIR));
	set_made(&t, "cluster_key_file", init_plan_config(plan, "cluster.key"));
	init_template_set(&t, "visitor_listen", options->http_listen);
	set_made(&t, "service_listen",
	    host ? init_text("%s:%s", host, options->public_ports) : NULL);
	init_template_set(&t, "advertise_address", options->address);
	set_made(&t, "admin_listen",
	    init_text("127.0.0.1:%lld", (long long)options->admin_port));
	if (http != 80)
		set_number(&t, "public_http_port", http);
	free(host);
	return add(
	    plan, init_plan_config(plan, "relay-1.ini"), t.text, 0644, NULL);
}

static int
add_router(struct init_plan *plan)
{
	struct init_template t;

	begin_ini(plan, &t, "examples/router.ini", "taupe-router.ini");
	set_redis(plan, &t, "taupe-router", "redis-router.password");
	set_made(
	    &t, "haproxy", init_text("%s/run/haproxy/admin.sock", plan->root));
	set_made(
	    &t, "map_dir", init_text("%s%s/maps", plan->root, TAUPE_STATEDIR));
	set_made(&t, "agent_host", init_text("relay.%s", plan->domain));
	set_made(&t, "admin_listen",
	    init_text(
		"127.0.0.1:%lld", (long long)plan->options->admin_port - 1));
	return add(
	    plan, init_plan_config(plan, "router.ini"), t.text, 0644, NULL);
}

static int
add_ctl(struct init_plan *plan)
{
	uint16_t http = port_of(plan->options->http_listen),
		 https = port_of(plan->options->https_listen);
	struct init_template t;

	begin_ini(plan, &t, "examples/taupectl.ini", "taupectl.ini");
	set_made(&t, "relay", relay_url(plan, "relay"));
	if (plan->options->stand_alone) {
		set_made(&t, "devices_file",
		    init_text("%s%s/devices", plan->root, TAUPE_STATEDIR));
		set_made(&t, "admin",
		    init_text("127.0.0.1:%lld",
			(long long)plan->options->admin_port));
	} else {
		init_template_set(&t, "devices_file", NULL);
		init_template_set(&t, "admin", NULL);
		set_redis(plan, &t, "taupectl", "redis-taupectl.password");
		if (plan->root[0] != '\0')
			set_made(&t, "haproxy",
			    init_text("%s/run/haproxy/admin.sock", plan->root));
	}
	/* for doctor and connect */
	if (http != 80)
		set_number(&t, "http_port", http);
	if (https != 443)
		set_number(&t, "https_port", https);
	if (plan->self_signed)
		set_made(&t, "ca_file", init_plan_config(plan, "ca.pem"));
	return add(
	    plan, init_plan_config(plan, "taupectl.ini"), t.text, 0644, NULL);
}

/* ---- Redis ---- */

static const struct {
	const char *name, *file, *group;
} redis_users[] = {
    {"admin", "redis-admin.password", NULL},
    {"taupe-relay", "redis-relay.password", "taupe"},
    {"taupe-router", "redis-router.password", "taupe"},
    {"taupectl", "redis-taupectl.password", NULL},
    {"taupe-api", "redis-api.password", "taupe"},
    {"taupe-webhook", "redis-webhook.password", "taupe"},
};

/* "user NAME off" becomes "user NAME on #HASH". */
static void
switch_on(struct init_template *t, const char *name, const char *password)
{
	uint8_t digest[SHA256_LEN];
	char hex[2 * SHA256_LEN + 1];
	char *off = init_text("user %s off ", name), *on;

	crypto_sha256(password, strcspn(password, "\r\n"), digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	on = init_text("user %s on #%s ", name, hex);
	if (off != NULL && on != NULL)
		init_template_replace(t, off, on);
	else {
		free(t->text);
		t->text = NULL;
	}
	free(off);
	free(on);
}

static int
add_redis(struct init_plan *plan)
{
	const struct init_options *options = plan->options;
	struct init_template users, conf;
	struct address address;
	const char *password;
	int code = EX_OK;

	init_template_begin(&users, "redis/users.acl", " ", NULL);
	for (size_t i = 0;
	     i < sizeof(redis_users) / sizeof(redis_users[0]) && code == EX_OK;
	     i++) {
		code = add_secret(
		    plan, redis_users[i].file, redis_users[i].group, &password);
		if (code == EX_OK)
			switch_on(&users, redis_users[i].name, password);
	}
	if (code != EX_OK) {
		free(users.text);
		return code;
	}
	code = add(plan, system_path(plan, "redis/users-taupe.acl"), users.text,
	    0640, "redis");
	address_parse_ip(str_of(options->address), 1, &address);
	init_template_begin(&conf, "redis/redis.conf", " ", NULL);
	set_made(&conf, "bind",
	    init_text(address_is_loopback(&address) ? "%s" : "127.0.0.1 %s",
		options->address));
	set_number(&conf, "port", options->redis_port);
	set_made(&conf, "aclfile", system_path(plan, "redis/users-taupe.acl"));
	set_made(&conf, "dir", init_text("%s/var/lib/redis/taupe", plan->root));
	if (code != EX_OK) {
		free(conf.text);
		return code;
	}
	return add(plan, system_path(plan, "redis/redis-taupe.conf"), conf.text,
	    0644, NULL);
}

/* ---- HAProxy ---- */

static int
add_copies(struct init_plan *plan)
{
	struct init_template t;
	int code = EX_OK;

	for (const struct embedded *source = embedded_files;
	     source->name != NULL && code == EX_OK; source++) {
		const char *name = strrchr(source->name, '/') + 1;
		char place[80];

		if (strncmp(source->name, "haproxy/", 8) != 0)
			continue;
		if (strcmp(name, "haproxy.cfg") == 0)
			snprintf(place, sizeof(place), "haproxy/taupe.cfg");
		else
			snprintf(place, sizeof(place), "haproxy/taupe-pages/%s",
			    name);
		init_template_begin(&t, source->name, " ", NULL);
		code = add(plan, system_path(plan, place), t.text, 0644, NULL);
	}
	return code;
}

/* The environment of HAProxy, which haproxy.cfg is filled in with. */
static char *
haproxy_environment(const struct init_plan *plan)
{
	const struct init_options *options = plan->options;
	const char *root = plan->root;
	char *host = host_of(options->https_listen), *text = NULL;
	char by_hand[160] = "";

	if (root[0] != '\0')
		snprintf(by_hand, sizeof(by_hand),
		    "TAUPE_UNPRIVILEGED=1\nTAUPE_LOG=stdout\n"
		    "TAUPE_INNER=taupe-tls-%u\n",
		    port_of(options->https_listen));
	if (host != NULL)
		text = init_text(
		    "# Written by taupe-relay init %s: what "
		    "haproxy/taupe.cfg is filled in with.\n"
		    "CONFIG=%s/etc/haproxy/taupe.cfg\n"
		    "TAUPE_HTTP=%s\nTAUPE_HTTPS=%s\nTAUPE_PORTS=%s:%s\n"
		    "TAUPE_CERTS=%s/etc/haproxy/certs\n"
		    "TAUPE_MAPS=%s%s/maps\n"
		    "TAUPE_PAGES=%s/etc/haproxy/taupe-pages\n"
		    "TAUPE_ADMIN_SOCKET=%s/run/haproxy/admin.sock\n%s",
		    plan->domain, root, options->http_listen,
		    options->https_listen, host, options->public_ports, root,
		    root, TAUPE_STATEDIR, root, root, by_hand);
	free(host);
	return text;
}

static int
add_haproxy(struct init_plan *plan)
{
	int code = add_certificate(
	    plan, system_path(plan, "haproxy/certs/taupe.pem"), NULL);

	if (code == EX_OK)
		code = add_copies(plan);
	if (code == EX_OK)
		code = add(plan, system_path(plan, "haproxy/taupe.env"),
		    haproxy_environment(plan), 0644, NULL);
	if (code != EX_OK || plan->root[0] != '\0')
		return code;
	/* the distribution's own files stay as they are */
	code = add(plan,
	    system_path(plan, "systemd/system/haproxy.service.d/taupe.conf"),
	    init_text(
		"# Written by taupe-relay init: without this file HAProxy "
		"has its own configuration again.\n"
		"[Service]\nEnvironmentFile=/etc/haproxy/taupe.env\n"),
	    0644, NULL);
	if (code != EX_OK)
		return code;
	return add(plan,
	    system_path(
		plan, "systemd/system/taupe-router.service.d/haproxy.conf"),
	    init_text("# Written by taupe-relay init: the router writes to "
		      "HAProxy's socket.\n"
		      "[Service]\nSupplementaryGroups=haproxy\n"),
	    0644, NULL);
}

/* ---- all of it ---- */

static int
make_cluster(struct init_plan *plan)
{
	const char *key;
	int code = add_secret(plan, "cluster.key", "taupe", &key);

	if (code == EX_OK)
		code = add_redis(plan);
	for (unsigned i = 0; i < plan->relays && code == EX_OK; i++)
		code = add_relay(plan, i);
	if (code == EX_OK)
		code = add_router(plan);
	if (code == EX_OK)
		code = add_haproxy(plan);
	if (code == EX_OK)
		code = add_folder(plan, "/var/lib/redis/taupe");
	if (code == EX_OK && plan->root[0] != '\0')
		code = add_folder(plan, "/run/haproxy");
	return code;
}

static int
make_stand_alone(struct init_plan *plan)
{
	const char *key;
	int code = add_secret(plan, "cluster.key", "taupe", &key);

	if (code == EX_OK)
		code = add_certificate(
		    plan, init_plan_config(plan, "relay.pem"), "taupe");
	return code == EX_OK ? add_lone_relay(plan) : code;
}

int
init_plan_make(struct init_plan *plan)
{
	int code = plan->options->stand_alone ? make_stand_alone(plan)
					      : make_cluster(plan);

	if (code == EX_OK)
		code = add_ctl(plan);
	if (code == EX_OK && plan->root[0] != '\0')
		code = add_folder(plan, TAUPE_STATEDIR);
	return code;
}

void
init_plan_free(struct init_plan *plan)
{
	for (size_t i = 0; i < plan->n_files; i++) {
		if (plan->files[i].text != NULL)
			wipe(plan->files[i].text, strlen(plan->files[i].text));
		free(plan->files[i].text);
		free(plan->files[i].path);
	}
	for (size_t i = 0; i < plan->n_folders; i++)
		free(plan->folders[i]);
	plan->n_files = plan->n_folders = 0;
}
