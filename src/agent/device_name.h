/* SPDX-License-Identifier: MIT */
/* A name for a device that was given none: the same at each start, and another one on each
 * device of a fleet whose images are all alike. */
#ifndef TAUPE_AGENT_DEVICE_NAME_H
#define TAUPE_AGENT_DEVICE_NAME_H

#include <stdbool.h>

#define DERIVED_NAME_LEN 14 /* "d-" and 12 hexadecimal digits */

/*
 * "d-" and the beginning of the SHA-256 of "taupe" and the machine's id (machine-id(5), which
 * asks not to be shown as it is), or else of the first network card's own address. The
 * arguments are /etc/machine-id and /sys/class/net, or a test's. False: there is neither.
 */
bool device_name_derive(const char *machine_id_file, const char *net_folder,
    char name[DERIVED_NAME_LEN + 1]);

#endif
