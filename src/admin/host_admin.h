/* SPDX-License-Identifier: MIT */
/*
 * Further host names of devices' services, as operators add, prove and remove them. What may be
 * one and what has to be shown for it is decided here; the store keeps them, and that no two
 * devices have the same.
 */
#ifndef TAUPE_ADMIN_HOST_ADMIN_H
#define TAUPE_ADMIN_HOST_ADMIN_H

#include "admin/admin.h"
#include "net/name_servers.h"

#define HOST_TXT_PREFIX "_taupe."
#define HOST_TXT_VALUE "taupe-proof="
#define HOST_TXT_VALUE_MAX (sizeof(HOST_TXT_VALUE) + HOST_TOKEN_LEN)

/* What is wanted. */
struct host_wish {
	const char *host; /* as people write it */
	char device[DEVICE_NAME_MAX + 1];
	char service[SERVICE_NAME_MAX + 1];
	const char *by; /* who wants it */
	bool vouched;   /* the operator says that it is theirs */
};

/* The label that a host name under that domain takes from all devices; "" for any other. */
void admin_host_label(
    const char *text, const char *domain, char label[LABEL_MAX + 1]);

/* "alice/web" into a wish. Returns a code. */
int admin_host_take_place(
    struct admin *admin, const char *text, struct host_wish *wish);

/* Add it. An alias leads to the service at once, and so does a domain that was vouched for; any
 * other is pending. *json, the caller's: admin_host_json() with "cname", a name under the cluster's
 * domain that it may lead to. */
int admin_host_add(
    struct admin *admin, const struct host_wish *wish, json_t **json);
/* Has its TXT record the token? Then it leads to its service from now on. servers, timeout_ms:
 * dns_txt_look(). *json likewise. */
int admin_host_verify(struct admin *admin, const char *host,
    const struct name_servers *servers, uint64_t timeout_ms, json_t **json);
int admin_host_remove(struct admin *admin, const char *host);
/* All that there are, each as admin_host_json(), by host. */
int admin_hosts(struct admin *admin, json_t *list);

/* host, device (unless it is NULL), service, proof, created_ms, by (or null); proved_ms if it is; and of
 * a domain that has to be proved "txt": the name of its TXT record, and its value. */
json_t *admin_host_json(const char *device, const struct device_host *host);
/* An array of them, without device. hosts may be NULL. */
json_t *admin_hosts_json(const struct device_hosts *hosts);

#endif
