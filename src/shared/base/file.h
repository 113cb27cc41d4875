/* SPDX-License-Identifier: MIT */
/* Files as each system has them: their names, and who else may read them. Names are UTF-8. */
#ifndef TAUPE_BASE_FILE_H
#define TAUPE_BASE_FILE_H

#include <stdbool.h>
#include <stdio.h>

/* The path that a configured name stands for, from malloc: on Windows %ProgramData% is what the
 * system says, and another %NAME% what the environment says; elsewhere it is the name itself. NULL with errno. */
char *file_path(const char *name);

/* Open for reading: a descriptor that no child inherits, or -1 with errno. */
int file_open_read(const char *path);

/* May everybody on the machine read this regular file, or others than its owner write it? */
bool file_is_open_to_others(int fd);
/* The warning of a file with a secret that is: what to do about it. */
extern const char file_open_warning[];

#endif
