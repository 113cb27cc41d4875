/* SPDX-License-Identifier: MIT */
/* What the stores share; for src/admin alone. */
#ifndef TAUPE_ADMIN_ADMIN_INTERNAL_H
#define TAUPE_ADMIN_ADMIN_INTERNAL_H

#include "admin/admin.h"

extern const struct store redis_store, file_store;

/* Keep what is wrong; returns the code. */
int admin_fail(struct admin *admin, enum admin_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int admin_fail_memory(struct admin *admin);
int admin_fail_exists(struct admin *admin, const char *name);
int admin_fail_fleet_exists(struct admin *admin, const char *name);
int admin_fail_no_fleet(struct admin *admin, const char *name);
int admin_fail_token_exists(struct admin *admin, const char *name);
int admin_fail_no_token(struct admin *admin, const char *name);
int admin_fail_reserved(struct admin *admin, const char *what, const char *id,
    const char *owner);
int admin_fail_no_host(struct admin *admin, const char *host);
int admin_fail_own_name(struct admin *admin, const char *host);
int admin_fail_relays_name(struct admin *admin, const char *host, const char *relay,
    const char *what);
int admin_fail_hosts_full(struct admin *admin, const char *name);
int admin_fail_host_changed(struct admin *admin, const char *host);

#endif
