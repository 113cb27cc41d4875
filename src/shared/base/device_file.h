/* SPDX-License-Identifier: MIT */
/*
 * The stand-alone relay's list of devices: a text file with one form-encoded line per
 * device, written by taupectl and read by the relay:
 *   name=alice&secret_sha256=<64 hex>&label=alice&port=ssh:20022
 * Lines that are empty or begin with '#' are kept as they are.
 */
#ifndef TAUPE_BASE_DEVICE_FILE_H
#define TAUPE_BASE_DEVICE_FILE_H

#include "base/device_record.h"

/* One call per device, in the file's order. Return 0 to go on. */
typedef int (*device_file_cb)(void *ctx, const struct device_record *record);

/* What was wrong with a file: for a message "file:line: what". */
struct device_file_error {
	unsigned line; /* 0: the file as a whole */
	char text[200];
};

/* Read the whole file. -1 with *error filled: it cannot be read, or a line is wrong; no
 * callback was called then. A file that does not exist is an empty one. Wrong as well: a
 * name, a label or a port that stands there twice. When the callback returns something
 * else than 0, that is returned, and error->text is empty. */
int device_file_read(const char *path, device_file_cb cb, void *ctx,
    struct device_file_error *error);

/* Add the device, or replace the one of that name. Atomic (a new file, mode 0600, synced
 * and renamed over the old one, with its owner; the first one gets its folder's owner, so
 * that a relay that does not run as root can read what root's taupectl wrote), and safe
 * against a second taupectl (an exclusive lock on path + ".lock"). -1 as well: the label
 * or a port is reserved for another device already. */
int device_file_put(const char *path, const struct device_record *record,
    struct device_file_error *error);

/* Give the device of that name another secret, under the same lock; what else its line says
 * stays. *found false: there is no such device, and nothing was written. */
int device_file_set_secret(const char *path, struct str name,
    const uint8_t secret_sha256[SECRET_HASH_LEN], bool *found,
    struct device_file_error *error);

/* The same for its own limits: those that are given are changed. */
int device_file_set_limits(const char *path, struct str name,
    const struct limit_change changes[DEVICE_LIMITS], bool *found,
    struct device_file_error *error);

/* Remove a device; *found says whether it was there. */
int device_file_remove(const char *path, struct str name, bool *found,
    struct device_file_error *error);

#endif
