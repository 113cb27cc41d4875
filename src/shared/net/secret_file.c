/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <string.h>
#include <sysexits.h>

#include "net/secret_file.h"
#include "base/log.h"
#include "base/private_file.h"
#include "net/crypto.h"

int
secret_file_read(const char *key, const char *path, char *line, size_t cap)
{
	if (private_file_read(key, path, line, cap) < 0) {
		log_error("a file with a secret cannot be read",
		    LOG_S("key", key), LOG_S("file", path),
		    LOG_S("error", log_errno()));
		return EX_NOINPUT;
	}
	if (strcspn(line, "\r\n") == cap - 1) {
		crypto_wipe(line, cap);
		log_error("a file with a secret has too long a first line",
		    LOG_S("key", key), LOG_S("file", path),
		    LOG_U("allowed", cap - 2));
		return EX_CONFIG;
	}
	line[strcspn(line, "\r\n")] = '\0';
	return EX_OK;
}
