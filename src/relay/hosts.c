/* SPDX-License-Identifier: MIT */
/*
 * One block for each device that has any, with an entry of relay->hosts for each name. While a name goes
 * over from one device to another, the later word counts.
 *
 * A map that has had an entry takes another, so that nothing was unlisted where listing fails.
 */
#include "config.h"

#include <stdlib.h>

#include "relay/hosts.h"
#include "relay/service.h"

struct host {
	struct hash_node by_name; /* in relay->hosts, if it is listed */
	struct device *device;
	const struct device_host *record;
	bool listed;
};

struct hosts {
	struct device_hosts *records;
	struct host list[]; /* one of each */
};

static struct host *
of_node(struct hash_node *node)
{
	return HASH_ENTRY(node, struct host, by_name);
}

static struct str
key_cb(const struct hash_node *node)
{
	return str_of(HASH_ENTRY(node, const struct host, by_name)->record->host);
}

void
hosts_init(struct relay *relay)
{
	hash_map_init(&relay->hosts, key_cb);
}

void
hosts_fini(struct relay *relay)
{
	hash_map_fini(&relay->hosts);
}

static void
unlist(struct host *host)
{
	if (host->listed)
		hash_map_remove(&host->device->relay->hosts, &host->by_name);
	host->listed = false;
}

static int
list(struct host *host)
{
	struct hash_map *hosts = &host->device->relay->hosts;
	struct hash_node *other = hash_map_find(hosts, str_of(host->record->host));

	if (hash_map_insert(hosts, &host->by_name) != 0)
		return -1;
	host->listed = true;
	if (other != NULL)
		unlist(of_node(other));
	return 0;
}

static void
hosts_free(struct hosts *hosts)
{
	if (hosts == NULL)
		return;
	for (size_t i = 0; i < hosts->records->n; i++)
		unlist(&hosts->list[i]);
	device_hosts_drop(&hosts->records);
	free(hosts);
}

static struct hosts *
hosts_new(struct device *device, struct device_hosts *records)
{
	struct hosts *hosts = calloc(
	    1, sizeof(*hosts) + records->n * sizeof(hosts->list[0]));

	if (hosts == NULL)
		return NULL;
	hosts->records = device_hosts_keep(records);
	for (size_t i = 0; i < records->n; i++) {
		struct host *host = &hosts->list[i];

		host->device = device;
		host->record = &records->items[i];
		if (host->record->proof != HOST_PENDING && list(host) != 0) {
			hosts_free(hosts);
			return NULL;
		}
	}
	return hosts;
}

int
hosts_set(struct device *device, struct device_hosts *records, bool *changed)
{
	struct hosts *before = device->hosts, *hosts = NULL;

	*changed = !device_hosts_equal(
	    before != NULL ? before->records : NULL, records);
	if (!*changed)
		return 0;
	if (records != NULL && (hosts = hosts_new(device, records)) == NULL) {
		*changed = false;
		return -1;
	}
	device->hosts = hosts;
	hosts_free(before);
	return 0;
}

void
hosts_forget(struct device *device)
{
	hosts_free(device->hosts);
	device->hosts = NULL;
}

static bool
leads_to(const struct device_host *record, const struct service *service)
{
	return service->kind != SERVICE_TCP &&
	    record->proof != HOST_PENDING &&
	    strcmp(record->service, service->name) == 0;
}

struct service *
hosts_find(const struct relay *relay, struct str name)
{
	struct hash_node *node = hash_map_find(&relay->hosts, name);
	struct service *service;

	if (node == NULL)
		return NULL;
	LIST_FOREACH (service, &of_node(node)->device->services, link)
		if (leads_to(of_node(node)->record, service))
			return service;
	return NULL;
}

const char *
hosts_next(const struct service *service, size_t *at)
{
	const struct hosts *hosts = service->device->hosts;

	while (hosts != NULL && *at < hosts->records->n) {
		const struct device_host *record =
		    &hosts->records->items[(*at)++];

		if (leads_to(record, service))
			return record->host;
	}
	return NULL;
}
