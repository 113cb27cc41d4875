/* SPDX-License-Identifier: MIT */
/*
 * The stand-alone relay's list of devices, fleets and tokens of its API: a text file with one form-encoded line
 * each, written by taupectl, and by the relay when a device enrols or has another secret:
 *   name=alice&secret_sha256=<64 hex>&label=alice&port=ssh:20022
 *   token=alice&sha256=<64 hex>&role=operate&expires_ms=0&created_ms=0
 *   fleet=probes&key_sha256=<64 hex>&max=100&used=3&expires_ms=0&created_ms=0&pattern=p-*
 * Lines that are empty or begin with '#' are kept as they are, and so is what a line holds under
 * keys that only a newer version knows: when it is written again, that stands at its end.
 */
#ifndef TAUPE_BASE_DEVICE_FILE_H
#define TAUPE_BASE_DEVICE_FILE_H

#include "base/fleet_record.h"
#include "base/token_record.h"

/* One call per device, or per fleet, in the file's order. Return 0 to go on. */
typedef int (*device_file_cb)(void *ctx, const struct device_record *record);
typedef int (*fleet_file_cb)(void *ctx, const struct fleet_record *record);

typedef int (*token_file_cb)(void *ctx, const struct token_record *record);

/* What was wrong with a file: for a message "file:line: what". */
struct device_file_error {
	unsigned line; /* 0: the file as a whole */
	bool busy; /* it is right, as far as is known: another writer has it */
	char text[200];
};

/* Read the whole file, devices first; each callback may be NULL. -1 with *error filled: it cannot
 * be read, or a line is wrong; no callback was called then. A file that does not exist is an
 * empty one. Wrong as well: a name, a label, a port, a fleet or a token that
 * stands there twice. When a
 * callback returns something else than 0, that is returned, and error->text is empty. */
int device_file_read(const char *path, device_file_cb device_cb,
    fleet_file_cb fleet_cb, void *ctx, struct device_file_error *error);

/* The same with the tokens alone. */
int device_file_read_tokens(const char *path, token_file_cb cb, void *ctx,
    struct device_file_error *error);

/*
 * Changes. Each is atomic (a new file, mode 0600, synced and renamed over the old one, with
 * its owner; the first one gets its folder's owner, so that a relay that does not run as
 * root can read what root's taupectl wrote), and safe against another writer (an exclusive
 * lock on path + ".lock", waited for five seconds at most). -1 with *error filled: nothing
 * was changed. That is so, too, when with what it has to keep a line would become too long.
 */

/* Add the device; one of that name is replaced if found is NULL, else *found says that there is
 * one, and nothing was written. -1 as well: the label or a port is reserved for another
 * device already. */
int device_file_put(const char *path, const struct device_record *record,
    bool *found, struct device_file_error *error);

/* What a device's line, or its absence, is made into: changes what it points to, and returns
 * true if that shall be written. */
typedef bool (*device_file_edit)(void *ctx, struct device_record *record);

/* Change the device of that name. *found false: there is none, and nothing was written. wait
 * false: who has a loop to run does not wait for another writer. */
int device_file_change(const char *path, struct str name, device_file_edit edit,
    void *ctx, bool wait, bool *found, struct device_file_error *error);

/* Remove a device; *found says whether it was there. */
int device_file_remove(const char *path, struct str name, bool *found,
    struct device_file_error *error);

/* Add the fleet, as device_file_put() does a device. */
int device_file_put_fleet(const char *path, const struct fleet_record *record,
    bool *found, struct device_file_error *error);
int device_file_remove_fleet(const char *path, struct str name, bool *found,
    struct device_file_error *error);

/* Add the token, as device_file_put() does a device. */
int device_file_put_token(const char *path, const struct token_record *record,
    bool *found, struct device_file_error *error);
int device_file_remove_token(const char *path, struct str name, bool *found,
    struct device_file_error *error);

/* May a device enrol in a fleet? Each is NULL when there is none of the name; true: the device
 * is to be as *record says, and the fleet has enrolled one more. */
typedef bool (*device_file_judge)(void *ctx, const struct fleet_record *fleet,
    const struct device_record *device, struct device_record *record);

/* Enrol the device of that name, if judge says so: both lines change at once. Does not wait for
 * another writer. */
int device_file_enrol(const char *path, struct str fleet, struct str name,
    device_file_judge judge, void *ctx, struct device_file_error *error);

#endif
