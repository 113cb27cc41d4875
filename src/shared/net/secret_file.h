/* SPDX-License-Identifier: MIT */
/* A file whose first line is a secret, and that nobody else should be able to read. */
#ifndef TAUPE_NET_SECRET_FILE_H
#define TAUPE_NET_SECRET_FILE_H

#include <stddef.h>

/* Copy the first line, of up to cap - 2 bytes, without its end; key is the option that names the
 * file, for the log. Returns EX_OK or an exit code; what is wrong was logged. The caller
 * wipes line, and checks what it holds. */
int secret_file_read(const char *key, const char *path, char *line, size_t cap);

#endif
