/* SPDX-License-Identifier: MIT */
/*
 * What options_file.c needs of inih, for systems that inih is not packaged for and programs that
 * must be small (./configure --without-inih). It reads the same files in the same way.
 */
#ifndef TAUPE_BASE_WITHOUT_INIH_INI_H
#define TAUPE_BASE_WITHOUT_INIH_INI_H

/* One `key = value` (or `key: value`) in a [section], "" before the first. 0 is an error. */
typedef int (*ini_handler)(void *ctx, const char *section, const char *key, const char *value);
/* Like fgets(): the next line, NULL at the end. */
typedef char *(*ini_reader)(char *out, int cap, void *stream);

/* Hand each key of the stream to the handler: 0, or the number of the first line that could not be
 * read or that the handler did not take; -2: no memory. Lines may have up to 4095 bytes. */
int ini_parse_stream(ini_reader reader, void *stream, ini_handler handler, void *ctx);

#endif
