/* SPDX-License-Identifier: MIT */
/*
 * The part of inih that options_file.c uses, under inih's own names, for platforms that have no
 * inih: configure --without-inih. It takes the same files; the same tests judge both.
 */
#ifndef TAUPE_BASE_INI_H
#define TAUPE_BASE_INI_H

typedef int (*ini_handler)(
    void *user, const char *section, const char *name, const char *value);
typedef char *(*ini_reader)(char *out, int cap, void *stream);

/*
 * Read lines with reader, which is like fgets(), and call the handler for each "name = value" (or
 * "name: value"), in the [section] that it stands in. Lines that begin with ; or # are comments,
 * and so is what stands behind a blank and a ; in a line. 0, or the number of the first line
 * that is nothing of that or that the handler refuses (returns 0 for); it goes on behind it.
 * -1: no memory.
 */
int ini_parse_stream(
    ini_reader reader, void *stream, ini_handler handler, void *user);

#endif
