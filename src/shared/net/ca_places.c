/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/ca_places.h"

#define PATH_BYTES 4096

static const char *const usual[] = {
    "/etc/ssl/certs/ca-certificates.crt", /* Debian, OpenWrt, Alpine, Arch */
    "/etc/pki/tls/certs/ca-bundle.crt",	  /* Fedora */
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem", /* SUSE */
    "/etc/ssl/cert.pem",      /* Alpine, the BSDs, macOS */
    "/usr/local/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
    "/etc/ssl/certs",
    "/etc/pki/tls/certs",
    "/apex/com.android.conscrypt/cacerts", /* Android 14 and later */
    "/system/etc/security/cacerts",	   /* Android before */
    NULL,
};

static bool
is_file(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

/* The next file of a folder; false: there is none any more. */
static bool
next_file(DIR *folder, const char *path, char out[PATH_BYTES])
{
	struct dirent *entry;

	while ((entry = readdir(folder)) != NULL) {
		int len =
		    snprintf(out, PATH_BYTES, "%s/%s", path, entry->d_name);

		if (entry->d_name[0] != '.' && len < PATH_BYTES && is_file(out))
			return true;
	}
	return false;
}

static bool
load_folder(const char *path, ca_load_cb load, void *ctx)
{
	DIR *folder = opendir(path);
	char file[PATH_BYTES];
	bool any = false;

	if (folder == NULL)
		return false;
	while (next_file(folder, path, file))
		any = load(ctx, file) || any;
	closedir(folder);
	return any;
}

const char *
ca_places_load_from(const char *const *places, ca_load_cb load, void *ctx)
{
	for (; *places != NULL; places++)
		if (is_file(*places) ? load(ctx, *places)
				     : load_folder(*places, load, ctx))
			return *places;
	return NULL;
}

/* False: the environment names no place. */
static bool
named_places(const char *places[3])
{
	const char *file = getenv("SSL_CERT_FILE"),
		   *folder = getenv("SSL_CERT_DIR");
	size_t n = 0;

	if (file != NULL)
		places[n++] = file;
	if (folder != NULL)
		places[n++] = folder;
	places[n] = NULL;
	return n > 0;
}

const char *
ca_places_load(ca_load_cb load, void *ctx)
{
	const char *named[3];

	return ca_places_load_from(
	    named_places(named) ? named : usual, load, ctx);
}

const char *
ca_places_error(void)
{
	const char *named[3];

	return named_places(named)
	    ? "there are none where SSL_CERT_FILE and SSL_CERT_DIR say"
	    : "there are none in the usual places: install the system's "
	      "ca-certificates, or name a file of them with ca_file";
}

bool
ca_place_exists(const char *path)
{
	DIR *folder;
	char file[PATH_BYTES];
	bool any;

	if (is_file(path))
		return access(path, R_OK) == 0;
	if ((folder = opendir(path)) == NULL)
		return false;
	any = next_file(folder, path, file);
	closedir(folder);
	return any;
}
