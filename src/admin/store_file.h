/* SPDX-License-Identifier: MIT */
/* What the files of the store of a relay that stands alone share; for store_file*.c alone. */
#ifndef TAUPE_ADMIN_STORE_FILE_H
#define TAUPE_ADMIN_STORE_FILE_H

#include "admin/admin_internal.h"
#include "base/device_file.h"

/* Keep what is wrong with the devices file; code: if it is not a line of it. Returns a code. */
int file_fail(
    struct admin *admin, const struct device_file_error *error, int code);
/* Was one given? Returns a code. */
int file_need(struct admin *admin);
/* Read it; either callback may be NULL. Returns a code. */
int file_read(struct admin *admin, device_file_cb device_cb,
    fleet_file_cb fleet_cb, void *ctx);
int file_change_device(
    struct admin *admin, const char *name, device_file_edit edit, void *ctx);

/* The one with that name in a list; NULL: none. */
json_t *file_find_named(const json_t *list, const char *name);
/* Has another device than this one the label now, as far as that can be known? */
int file_check_leased(struct admin *admin, const char *name, const char *label);
/* Add what the relay knows of these devices, if it can be asked; of one, what it remembers, too. Returns
 * a code. */
int file_join(struct admin *admin, json_t *list);
int file_join_one(struct admin *admin, json_t *device);

int file_device(struct admin *admin, const char *name, json_t **device);
int file_device_count(struct admin *admin, uint64_t *count);
int file_device_access(
    struct admin *admin, const char *name, struct access **access);
int file_device_change_access(
    struct admin *admin, const char *name, admin_access_edit edit, void *ctx);
int file_service_url(struct admin *admin, const char *name,
    const struct access_rule *rule, char *url, size_t cap);
/* What the relay says of itself; NOT_GIVEN: it cannot be asked. */
int file_relay_status(struct admin *admin, json_t **status);
int file_domain(struct admin *admin, char domain[HOST_NAME_MAX + 1]);
int file_relay_of_host(
    struct admin *admin, const char *host, char relay[DEVICE_NAME_MAX + 1]);
int file_host_add(struct admin *admin, const char *name,
    const struct device_host *host);
int file_host(struct admin *admin, const char *host,
    char name[DEVICE_NAME_MAX + 1], struct device_host *found);
int file_host_prove(struct admin *admin, const char *name,
    const struct device_host *host);
int file_host_remove(struct admin *admin, const char *name,
    const struct device_host *host);
int file_hosts(struct admin *admin, json_t *list);
int file_fleet_add(struct admin *admin, const struct fleet_record *record);
int file_fleet_remove(struct admin *admin, const char *name);
int file_fleets(struct admin *admin, json_t *list);
int file_token_add(struct admin *admin, const struct token_record *record);
int file_token_remove(struct admin *admin, const char *name);
int file_token(struct admin *admin, const char *name, struct token_record *record);
int file_tokens(struct admin *admin, json_t *list);
int file_relays(struct admin *admin, json_t *list);
int file_traffic(struct admin *admin, const char *name, uint64_t minute,
    struct traffic_minute out[TRAFFIC_MINUTES]);
int file_routes(struct admin *admin, json_t *list);
/* What the relay says of where a device's services are found, by their names; NULL: it is not there. For
 * json_decref(). */
int file_urls(struct admin *admin, const char *name, json_t **urls);
int file_gone(struct admin *admin, json_t *list);
int file_relay_drain(struct admin *admin, const char *id, bool drain);
int file_status(struct admin *admin, json_t **status);
int file_events(struct admin *admin, const char *after, uint64_t wait_ms,
    struct event_page *page);
int file_usage(struct admin *admin, const char *name, uint32_t from, uint32_t to,
    json_t *list);

#endif
