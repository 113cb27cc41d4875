/* SPDX-License-Identifier: MIT */
/*
 * Certificates of HAProxy, without a restart: HAProxy is given the new one over its socket and looks
 * at it, then it goes to the disk, for the next start, and then HAProxy serves it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/error_text.h"
#include "ctl/ctl.h"
#include "ctl/hap_certs.h"
#include "ctl/report.h"
#include "net/crypto.h"
#include "net/pem_bundle.h"

#define DEFAULT_SOCKET "/run/haproxy/admin.sock"
#define LOCK_WAIT_MS 30000 /* another load takes far less than a second */
#define LOCK_POLL_MS 20
#define OTHERS_WAIT_MS 3000 /* between the commands of another program */

struct load {
	const struct ctl_options *options;
	const char *file; /* to load */
	char folder
	    [HAP_CERT_NAME_MAX]; /* of the certificates; "": there is one file */
	char target
	    [HAP_CERT_NAME_MAX]; /* what HAProxy calls it, and where it stands */
	bool *is_new; /* of each HAProxy: it is in no list of its own */
	struct pem_bundle bundle;
	char command[PEM_BUNDLE_MAX + HAP_CERT_NAME_MAX + 40];
};

/* The sockets: those that were given, or the usual one. */
static size_t
count_sockets(const struct ctl_options *options)
{
	return options->haproxy.count > 0 ? options->haproxy.count : 1;
}

static const char *
socket_at(const struct ctl_options *options, size_t i)
{
	return options->haproxy.count > 0 ? options->haproxy.items[i]
					  : DEFAULT_SOCKET;
}

static uint64_t
timeout_of(const struct ctl_options *options)
{
	return (uint64_t)options->registry.redis_timeout_ms;
}

static int
fail_socket(const char *socket, const char *error)
{
	return ctl_fail(EX_UNAVAILABLE,
	    "HAProxy at %s: %s; give its runtime socket with --haproxy", socket,
	    error);
}

/* Such files in a folder are something else to HAProxy when it starts. */
static bool
is_no_certificate(const char *base)
{
	static const char *const ends[] = {".key", ".issuer", ".ocsp", ".sctl"};
	const char *end = strrchr(base, '.');

	for (size_t i = 0; end != NULL && i < sizeof(ends) / sizeof(ends[0]);
	     i++)
		if (strcmp(end, ends[i]) == 0)
			return true;
	return false;
}

/* Where it goes: TAUPE_CERTS of haproxy.cfg is a file or a folder. */
static int
find_target(struct load *load)
{
	const char *certs = load->options->certs,
		   *base = strrchr(load->file, '/');
	size_t len = strlen(certs);
	struct stat status;
	int n;

	base = base != NULL ? base + 1 : load->file;
	if (stat(certs, &status) != 0)
		return ctl_fail(EX_NOINPUT,
		    "%s: %s; --certs is HAProxy's TAUPE_CERTS, a PEM file or a "
		    "folder of them",
		    certs, error_text(errno));
	while (len > 1 && certs[len - 1] == '/')
		len--;
	n = S_ISDIR(status.st_mode)
	    ? snprintf(load->target, sizeof(load->target), "%.*s/%s", (int)len,
		  certs, base)
	    : snprintf(load->target, sizeof(load->target), "%s", certs);
	if (S_ISDIR(status.st_mode))
		snprintf(load->folder, sizeof(load->folder), "%.*s", (int)len,
		    certs);
	if (n >= (int)sizeof(load->target) || base[0] == '\0' ||
	    base[0] == '.' || strpbrk(load->target, " \t\n;\\*") != NULL ||
	    (load->folder[0] != '\0' && is_no_certificate(base)))
		return ctl_fail(EX_DATAERR,
		    "%s: HAProxy takes no such name of a certificate: rename "
		    "the file",
		    load->target);
	return EX_OK;
}

/* One command about the target; what its reply must have in it. */
static int
tell(struct load *load, const char *socket, const char *verb,
    const char *behind, const char *must_have)
{
	char reply[HAP_CERT_REPLY_MAX];
	int n = snprintf(load->command, sizeof(load->command), "%s %s%s\n",
	    verb, load->target, behind);

	if (n > load->options->haproxy_bufsize)
		return ctl_fail(EX_DATAERR,
		    "%s: with its chain it is longer than HAProxy takes at "
		    "once: raise tune.bufsize, and haproxy_bufsize of "
		    "taupe-router and here",
		    load->file);
	if (hap_certs_ask(
		socket, load->command, timeout_of(load->options), reply) != 0)
		return ctl_fail(
		    EX_UNAVAILABLE, "HAProxy at %s: %s", socket, reply);
	if (strstr(reply, must_have) == NULL)
		return ctl_fail(EX_UNAVAILABLE,
		    "HAProxy at %s refuses \"%s %s\": %s", socket, verb,
		    load->target, reply);
	return EX_OK;
}

/* NULL: HAProxy does not know it. */
static const json_t *
find(const json_t *list, const char *target)
{
	json_t *certificate;
	size_t i;

	json_array_foreach (list, i, certificate)
		if (strcmp(report_str(certificate, "name"), target) == 0)
			return certificate;
	return NULL;
}

/* HAProxy looks at it, and does not serve it yet. */
static int
offer(struct load *load, size_t i)
{
	char error[HAP_QUERY_ERROR_MAX], payload[PEM_BUNDLE_MAX + 8];
	const char *socket = socket_at(load->options, i);
	json_t *list = json_array();
	const json_t *known;
	bool is_known;
	int code = EX_OK;

	if (hap_certs_list(socket, timeout_of(load->options), list, error) != 0)
		code = fail_socket(socket, error);
	known = find(list, load->target);
	is_known = known != NULL;
	/* who was stopped half-way may have left one that is in no list */
	load->is_new[i] = !json_is_true(json_object_get(known, "used"));
	json_decref(list);
	if (code == EX_OK && load->is_new[i] && load->folder[0] == '\0')
		return ctl_fail(EX_UNAVAILABLE,
		    "HAProxy at %s has no certificate %s: is --certs its "
		    "TAUPE_CERTS?",
		    socket, load->target);
	if (code == EX_OK && !is_known)
		code = tell(load, socket, "new ssl cert", "", "New empty");
	snprintf(payload, sizeof(payload), " <<\n%s\n", load->bundle.text);
	if (code == EX_OK)
		code =
		    tell(load, socket, "set ssl cert", payload, "Transaction");
	crypto_wipe(payload, sizeof(payload));
	return code;
}

/* From now on it is served. */
static int
commit(struct load *load, size_t i)
{
	char command[HAP_CERT_NAME_MAX + 40], behind[HAP_CERT_NAME_MAX + 2];
	const char *socket = socket_at(load->options, i);
	int code = tell(load, socket, "commit ssl cert", "", "Success");

	if (code != EX_OK || !load->is_new[i])
		return code;
	/* a folder is a list of certificates of its name */
	snprintf(command, sizeof(command), "add ssl crt-list %s", load->folder);
	behind[0] = '\0';
	return tell(load, socket, command, behind, "Success");
}

static void
withdraw(struct load *load, size_t i)
{
	char command[HAP_CERT_NAME_MAX + 40], reply[HAP_CERT_REPLY_MAX];
	const char *socket = socket_at(load->options, i);

	snprintf(command, sizeof(command), "abort ssl cert %s\n", load->target);
	(void)hap_certs_ask(socket, command, timeout_of(load->options), reply);
	if (!load->is_new[i])
		return;
	snprintf(command, sizeof(command), "del ssl cert %s\n", load->target);
	(void)hap_certs_ask(socket, command, timeout_of(load->options), reply);
}

/* On the disk: whole or not at all, and with the rights of the one before. */

static int
write_file(int fd, const char *text, size_t len)
{
	ssize_t n;

	for (; len > 0; text += n, len -= (size_t)n)
		if ((n = write(fd, text, len)) <= 0)
			return -1;
	return fsync(fd);
}

static void
keep_rights(int fd, const char *target)
{
	struct stat status;

	if (stat(target, &status) != 0)
		return;
	/* who is not root cannot give it away, and need not */
	if (fchown(fd, status.st_uid, status.st_gid) == 0 || errno == EPERM)
		(void)fchmod(fd, status.st_mode & 07777);
}

static int
replace_file(const struct load *load)
{
	const char *base = strrchr(load->target, '/');
	char new[HAP_CERT_NAME_MAX + 8];
	int fd, result;

	/* a hidden file is no certificate for HAProxy */
	snprintf(new, sizeof(new), "%.*s.%s.new",
	    (int)(base != NULL ? base + 1 - load->target : 0), load->target,
	    base != NULL ? base + 1 : load->target);
	(void)unlink(new);
	fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return ctl_fail(EX_CANTCREAT, "%s: %s", new, error_text(errno));
	keep_rights(fd, load->target);
	result = write_file(fd, load->bundle.text, load->bundle.len);
	close(fd);
	if (result == 0 && rename(new, load->target) == 0)
		return EX_OK;
	ctl_fail(EX_CANTCREAT, "%s: %s", load->target, error_text(errno));
	(void)unlink(new);
	return EX_CANTCREAT;
}

/* HAProxy has one change of a certificate under way, whichever, and refuses another. So loads wait for each
 * other: a hook that fails is not called again before its certificate is renewed the next time. The lock is
 * the folder's, as files in it are replaced. */
static int
take_lock(const struct load *load, int *fd)
{
	const struct timespec pause = {.tv_nsec = LOCK_POLL_MS * 1000000L};
	const char *slash = strrchr(load->target, '/');
	char folder[HAP_CERT_NAME_MAX];
	int waited_ms;

	snprintf(folder, sizeof(folder), "%.*s",
	    slash != NULL ? (int)(slash + 1 - load->target) : 1,
	    slash != NULL ? load->target : ".");
	*fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0)
		return ctl_fail(
		    EX_NOINPUT, "%s: %s", folder, error_text(errno));
	for (waited_ms = 0; flock(*fd, LOCK_EX | LOCK_NB) != 0;
	     waited_ms += LOCK_POLL_MS) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return ctl_fail(
			    EX_OSERR, "%s: %s", folder, error_text(errno));
		if (waited_ms >= LOCK_WAIT_MS)
			return ctl_fail(EX_TEMPFAIL,
			    "%s: another taupectl is loading a certificate: "
			    "try again when that has ended",
			    folder);
		(void)nanosleep(&pause, NULL);
	}
	return EX_OK;
}

static int
abandon(const struct load *load, const char *socket, const char *name)
{
	char command[HAP_CERT_NAME_MAX + 40], reply[HAP_CERT_REPLY_MAX];

	snprintf(command, sizeof(command), "abort ssl cert %s\n", name);
	if (hap_certs_ask(socket, command, timeout_of(load->options), reply) !=
	    0)
		return ctl_fail(
		    EX_UNAVAILABLE, "HAProxy at %s: %s", socket, reply);
	return EX_OK;
}

/* With the lock, no other load is under way, but a change may be: of ours, it was left by one that was
 * stopped. Another one may be that of a program that knows no such lock, which is given the time to end it. */
static int
tidy_one(const struct load *load, const char *socket)
{
	const struct timespec pause = {.tv_nsec = LOCK_POLL_MS * 1000000L};
	char name[HAP_CERT_NAME_MAX], error[HAP_QUERY_ERROR_MAX];

	for (int waited_ms = 0;; waited_ms += LOCK_POLL_MS) {
		if (hap_certs_changing(
			socket, timeout_of(load->options), name, error) != 0)
			return fail_socket(socket, error);
		if (name[0] == '\0')
			return EX_OK;
		if (strcmp(name, load->target) == 0 ||
		    waited_ms >= OTHERS_WAIT_MS)
			return abandon(load, socket, name);
		(void)nanosleep(&pause, NULL);
	}
}

static int
tidy(const struct load *load)
{
	int code = EX_OK;

	for (size_t i = 0; code == EX_OK && i < count_sockets(load->options);
	     i++)
		code = tidy_one(load, socket_at(load->options, i));
	return code;
}

static int
run_load(struct load *load)
{
	size_t n = count_sockets(load->options), offered = 0;
	int code = EX_OK;

	while (code == EX_OK && offered < n)
		code = offer(load, offered++);
	if (code == EX_OK)
		code = replace_file(load);
	for (size_t i = 0; code == EX_OK && i < n; i++)
		code = commit(load, i);
	for (size_t i = 0; code != EX_OK && i < offered; i++)
		withdraw(load, i);
	return code;
}

static void
warn_of_rival_cb(
    void *ctx, const char *file, const char *other, const char *name)
{
	const struct load *load = ctx;

	if (strcmp(file, load->target) == 0 || strcmp(other, load->target) == 0)
		fprintf(stderr,
		    "taupectl: for %s HAProxy has %s and %s, and shows one of "
		    "them alone, first one of an elliptic curve: take the "
		    "older one away, and reload HAProxy\n",
		    name, file, other);
}

/* It is loaded, but is it what visitors see? */
static void
warn_of_rivals(struct load *load)
{
	char error[HAP_QUERY_ERROR_MAX];

	for (size_t i = 0; i < count_sockets(load->options); i++) {
		json_t *list = json_array();

		if (hap_certs_list(socket_at(load->options, i),
			timeout_of(load->options), list, error) == 0)
			hap_certs_each_rival(list, warn_of_rival_cb, load);
		json_decref(list);
	}
}

static int
say_loaded(const struct load *load)
{
	char left[REPORT_TEXT_MAX];

	if (load->options->json)
		return report_json(json_pack("{s:s, s:s, s:I}", "name",
		    load->target, "names", load->bundle.names, "expires_s",
		    (json_int_t)load->bundle.expires_s));
	printf("HAProxy serves %s for %s, for %s more.\n", load->target,
	    load->bundle.names,
	    report_duration(
		(uint64_t)(load->bundle.expires_s - (int64_t)time(NULL)) * 1000,
		left));
	return EX_OK;
}

int
command_cert_load(struct ctl *ctl, const char *file)
{
	struct load *load = calloc(1, sizeof(*load));
	char error[PEM_BUNDLE_ERROR_MAX];
	int code, lock = -1;

	if (load == NULL)
		return ctl_fail_memory();
	load->options = &ctl->options;
	load->is_new = calloc(count_sockets(load->options), sizeof(bool));
	load->file = file;
	code = load->is_new == NULL ? ctl_fail_memory()
	    : pem_bundle_read(file, &load->bundle, error) == 0
	    ? find_target(load)
	    : ctl_fail(EX_DATAERR,
		  "%s: %s; it must be a PEM file with the certificate, its "
		  "chain and its key",
		  file, error);
	if (code == EX_OK)
		code = take_lock(load, &lock);
	if (code == EX_OK)
		code = tidy(load);
	if (code == EX_OK)
		code = run_load(load);
	if (lock >= 0)
		close(lock);
	if (code == EX_OK) {
		warn_of_rivals(load);
		code = say_loaded(load);
	}
	free(load->is_new);
	crypto_wipe(load, sizeof(*load));
	free(load);
	return code;
}

static int
show_list(const json_t *list)
{
	static const char *const headings[] = {
	    "CERTIFICATE", "EXPIRES IN", "NAMES", NULL};
	char left[REPORT_TEXT_MAX];
	struct table table;
	json_t *certificate;
	size_t i;

	table_init(&table, headings);
	json_array_foreach (list, i, certificate) {
		uint64_t end_s = report_u64(certificate, "expires_s"),
			 now_s = (uint64_t)time(NULL);

		table_add(&table, report_str(certificate, "name"));
		table_add(&table,
		    end_s == 0 ? NULL
			: end_s <= now_s
			? "it has ended"
			: report_duration((end_s - now_s) * 1000, left));
		table_add(&table, report_str(certificate, "names"));
	}
	return table_print(&table);
}

int
command_cert_list(struct ctl *ctl, const char *name)
{
	const struct ctl_options *options = &ctl->options;
	json_t *list = json_array();
	char error[HAP_QUERY_ERROR_MAX];
	int code = EX_OK;

	(void)name;
	for (size_t i = 0; code == EX_OK && i < count_sockets(options); i++)
		if (hap_certs_list(socket_at(options, i), timeout_of(options),
			list, error) != 0)
			code = fail_socket(socket_at(options, i), error);
	if (code == EX_OK && options->json)
		return report_json(json_pack("{s:o}", "certificates", list));
	if (code == EX_OK)
		code = show_list(list);
	json_decref(list);
	return code;
}
