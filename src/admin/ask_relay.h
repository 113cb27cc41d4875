/* SPDX-License-Identifier: MIT */
/* A relay that stands alone is asked at its admin server, with a token if one was given. */
#ifndef TAUPE_ADMIN_ASK_RELAY_H
#define TAUPE_ADMIN_ASK_RELAY_H

#include "admin/admin.h"

/* GET a path, or POST to have something done. *json is the object that it answers with, the caller's.
 * Returns a code; what the relay says against it is the error. */
int admin_ask_relay(struct admin *admin, const char *path, json_t **json);
int admin_tell_relay(struct admin *admin, const char *path, json_t **json);

#endif
