/* SPDX-License-Identifier: MIT */
/* What the tests of base share: a scratch folder, files in it, and captured output. */
#ifndef TAUPE_TESTS_BASE_SUPPORT_H
#define TAUPE_TESTS_BASE_SUPPORT_H

#include <stddef.h>

/* Make a folder of this test's own and enter it; both for checked fixtures. */
void scratch_setup(void);
void scratch_teardown(void);

/* Write a whole file. Ends the test when that fails. */
void file_write(const char *path, const char *text);
/* The whole file as a C string in a buffer that the next call reuses. */
const char *file_read(const char *path);

/* Send a descriptor's output to a file until the end of the capture, which gives it. */
void capture_begin(int fd);
const char *capture_end(void);

#endif
