/* SPDX-License-Identifier: MIT */
/* Rules of services, from options and for people. */
#ifndef TAUPE_CTL_ACCESS_OPTIONS_H
#define TAUPE_CTL_ACCESS_OPTIONS_H

#include "admin/access_admin.h"
#include "ctl/ctl.h"

#define PASSWORD_TEXT_MAX                                                      \
	(ACCESS_PASSWORD_MAX + 2) /* with a line's end, and a NUL */

/* Set the rules of --access. *drawn: a password was drawn, and stands in password. Returns an exit
 * code. */
int device_access_take(struct ctl *ctl, const char *name,
    char password[PASSWORD_TEXT_MAX], bool *drawn);
/* Print a line for each rule, and each share, of a device's JSON. */
void device_access_show(const json_t *device);

#endif
