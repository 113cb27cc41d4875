/* SPDX-License-Identifier: MIT */
/*
 * A file with a secret in it: a key, a password. It is read past stdio, whose buffers would
 * keep a copy. A link is followed, because that is how secrets are mounted into containers;
 * what is judged is the file that was opened.
 */
#ifndef TAUPE_BASE_PRIVATE_FILE_H
#define TAUPE_BASE_PRIVATE_FILE_H

#include <stddef.h>

/* Read up to cap - 1 bytes and end them with a NUL: how many, or -1 with errno. cap - 1 may
 * mean that there are more. A file that is open to everybody on the machine is warned of:
 * option is the key that names it; NULL: there is no secret in it. The caller wipes out. */
long private_file_read(
    const char *option, const char *path, char *out, size_t cap);

/* Warn if the open file is open to others (base/file.h). */
void private_file_judge(const char *option, const char *path, int fd);

#endif
