/* SPDX-License-Identifier: MIT */
/* A name for a device that was given none: the same at each start, and another one on each
 * device of a fleet whose images are all alike. */
#ifndef TAUPE_AGENT_DEVICE_NAME_H
#define TAUPE_AGENT_DEVICE_NAME_H

#include <stdbool.h>

#define DERIVED_NAME_LEN 14 /* "d-" and 12 hexadecimal digits */

#define DEVICE_ID_MAX 64    /* bytes of a machine's id, the NUL included */

/* "d-" and the beginning of the SHA-256 of "taupe" and the id of the machine that we run on.
 * False: it has none. */
bool device_name_of_machine(char name[DERIVED_NAME_LEN + 1]);
/* What to say then. */
const char *device_name_missing(void);
/* The same from an id. */
void device_name_of(const char *id, char name[DERIVED_NAME_LEN + 1]);

/*
 * On Linux: the machine's id is machine-id(5), which asks not to be shown as it is, or else the
 * first network card's own address. The arguments are /etc/machine-id and /sys/class/net, or a
 * test's.
 */
bool device_name_derive(const char *machine_id_file, const char *net_folder,
    char name[DERIVED_NAME_LEN + 1]);

#endif
