/* SPDX-License-Identifier: MIT */
/*
 * One index a reading: a new file is read into a new index, compared with the old one,
 * and takes its place, so that a wrong file leaves nothing half done.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "base/device_file.h"
#include "base/hash_map.h"
#include "base/log.h"
#include "registry/registry_memory_devices.h"

struct memory_device {
	struct hash_node by_name, by_label;
	struct device_record record;
	struct memory_alias *aliases; /* from malloc */
};

/* A label that an alias takes. */
struct memory_alias {
	struct hash_node by_label;
	struct memory_device *device;
	const struct device_host *host;
};

struct device_index {
	struct hash_map by_name, by_label, aliases;
	struct memory_device *of_port[65536];
	struct fleet_record *fleets;
	size_t n_fleets;
};

/* What tells one version of a file from another. */
struct stamp {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
};

struct memory_devices {
	char *path;
	struct stamp stamp;
	struct device_index *index;
};

static struct str
name_cb(const struct hash_node *node)
{
	return str_of(
	    HASH_ENTRY(node, struct memory_device, by_name)->record.name);
}

static struct str
label_cb(const struct hash_node *node)
{
	return str_of(
	    HASH_ENTRY(node, struct memory_device, by_label)->record.label);
}

static struct str
alias_cb(const struct hash_node *node)
{
	return device_host_label(
	    HASH_ENTRY(node, struct memory_alias, by_label)->host);
}

static struct device_index *
index_new(void)
{
	struct device_index *index = calloc(1, sizeof(*index));

	if (index == NULL)
		return NULL;
	hash_map_init(&index->by_name, name_cb);
	hash_map_init(&index->by_label, label_cb);
	hash_map_init(&index->aliases, alias_cb);
	return index;
}

static void
free_device_cb(void *ctx, struct hash_node *node)
{
	struct memory_device *device =
	    HASH_ENTRY(node, struct memory_device, by_name);

	(void)ctx;
	device_record_drop(&device->record);
	free(device->aliases);
	free(device);
}

static void
index_free(struct device_index *index)
{
	if (index == NULL)
		return;
	hash_map_each(&index->by_name, free_device_cb, NULL);
	hash_map_fini(&index->by_name);
	hash_map_fini(&index->by_label);
	hash_map_fini(&index->aliases);
	free(index->fleets);
	free(index);
}

static int
index_add_aliases(struct device_index *index, struct memory_device *device)
{
	const struct device_hosts *hosts = device->record.hosts;
	size_t n = 0;

	if (hosts == NULL)
		return 0;
	device->aliases = calloc(hosts->n, sizeof(*device->aliases));
	if (device->aliases == NULL)
		return -1;
	for (size_t i = 0; i < hosts->n; i++) {
		struct memory_alias *alias = &device->aliases[n];

		if (hosts->items[i].proof != HOST_ALIAS)
			continue;
		*alias = (struct memory_alias){
		    .device = device, .host = &hosts->items[i]};
		if (hash_map_insert(&index->aliases, &alias->by_label) != 0)
			return -1;
		n++;
	}
	return 0;
}

/* device_file_read() has made sure that no name, label, host or port stands there twice. */
static int
index_add_cb(void *ctx, const struct device_record *record)
{
	struct device_index *index = ctx;
	struct memory_device *device = calloc(1, sizeof(*device));

	if (device == NULL)
		return -1;
	device_record_copy(&device->record, record);
	if (hash_map_insert(&index->by_name, &device->by_name) != 0) {
		device_record_drop(&device->record);
		free(device);
		return -1;
	}
	if (record->label[0] != '\0' &&
	    hash_map_insert(&index->by_label, &device->by_label) != 0)
		return -1;
	if (index_add_aliases(index, device) != 0)
		return -1;
	for (size_t i = 0; i < record->n_ports; i++)
		index->of_port[record->ports[i].port] = device;
	return 0;
}

static int
index_add_fleet_cb(void *ctx, const struct fleet_record *record)
{
	struct device_index *index = ctx;
	struct fleet_record *fleets =
	    realloc(index->fleets, (index->n_fleets + 1) * sizeof(*fleets));

	if (fleets == NULL)
		return -1;
	index->fleets = fleets;
	fleets[index->n_fleets++] = *record;
	return 0;
}

static struct device_index *
index_read(const char *path)
{
	struct device_file_error error;
	struct device_index *index = index_new();

	if (index == NULL || path == NULL)
		return index;
	if (device_file_read(
		path, index_add_cb, index_add_fleet_cb, index, &error) == 0)
		return index;
	log_error("the devices file is wrong", LOG_S("file", path),
	    LOG_U("line", error.line),
	    LOG_S(
		"error", error.text[0] != '\0' ? error.text : "out of memory"));
	index_free(index);
	return NULL;
}

/* A file that is not there has a stamp of its own: all zeros. */
static struct stamp
stamp_of(const char *path)
{
	struct stat st;

	if (path == NULL || stat(path, &st) != 0)
		return (struct stamp){0};
	return (struct stamp){st.st_dev, st.st_ino, st.st_size, st.st_mtim};
}

static bool
stamp_equal(const struct stamp *a, const struct stamp *b)
{
	return a->device == b->device && a->inode == b->inode &&
	    a->size == b->size && a->changed.tv_sec == b->changed.tv_sec &&
	    a->changed.tv_nsec == b->changed.tv_nsec;
}

struct memory_devices *
memory_devices_new(const char *path)
{
	struct memory_devices *devices = calloc(1, sizeof(*devices));

	if (devices == NULL)
		return NULL;
	if (path != NULL && (devices->path = strdup(path)) == NULL)
		goto fail;
	devices->stamp = stamp_of(path);
	devices->index = index_read(path);
	if (devices->index == NULL)
		goto fail;
	return devices;
fail:
	free(devices->path);
	free(devices);
	return NULL;
}

void
memory_devices_free(struct memory_devices **devicesp)
{
	struct memory_devices *devices = *devicesp;

	*devicesp = NULL;
	if (devices == NULL)
		return;
	index_free(devices->index);
	free(devices->path);
	free(devices);
}

static bool
record_equal(const struct device_record *a, const struct device_record *b)
{
	if (a->n_ports != b->n_ports || strcmp(a->label, b->label) != 0 ||
	    strcmp(a->rotation, b->rotation) != 0 ||
	    memcmp(a->secret_sha256, b->secret_sha256, SECRET_HASH_LEN) != 0)
		return false;
	for (size_t i = 0; i < a->n_ports; i++)
		if (service_port_find(b->ports, b->n_ports,
			str_of(a->ports[i].service)) != a->ports[i].port)
			return false;
	for (int i = 0; i < DEVICE_LIMITS; i++)
		if (a->limits[i].is_set != b->limits[i].is_set ||
		    a->limits[i].value != b->limits[i].value)
			return false;
	return access_equal(a->access, b->access) &&
	    device_hosts_equal(a->hosts, b->hosts);
}

struct comparison {
	const struct memory_devices *devices;
	memory_devices_cb cb;
	void *ctx;
};

static void
compare_cb(void *ctx, struct hash_node *node)
{
	const struct comparison *comparison = ctx;
	const struct device_record *old =
	    &HASH_ENTRY(node, struct memory_device, by_name)->record;
	const struct device_record *new =
	    memory_devices_find(comparison->devices, old->name);

	if (new == NULL || !record_equal(old, new))
		comparison->cb(comparison->ctx, old->name);
}

void
memory_devices_refresh(
    struct memory_devices *devices, memory_devices_cb cb, void *ctx)
{
	struct stamp stamp = stamp_of(devices->path);
	struct comparison comparison = {devices, cb, ctx};
	struct device_index *old = devices->index, *new;

	if (stamp_equal(&stamp, &devices->stamp))
		return;
	devices->stamp = stamp;
	if ((new = index_read(devices->path)) == NULL)
		return;
	devices->index = new;
	hash_map_each(&old->by_name, compare_cb, &comparison);
	index_free(old);
}

const struct device_record *
memory_devices_find(const struct memory_devices *devices, const char *name)
{
	struct hash_node *node =
	    hash_map_find(&devices->index->by_name, str_of(name));

	return node ? &HASH_ENTRY(node, struct memory_device, by_name)->record
		    : NULL;
}

const struct fleet_record *
memory_devices_find_fleet(
    const struct memory_devices *devices, const char *name)
{
	const struct device_index *index = devices->index;

	for (size_t i = 0; i < index->n_fleets; i++)
		if (strcmp(index->fleets[i].name, name) == 0)
			return &index->fleets[i];
	return NULL;
}

const struct device_record *
memory_devices_of_label(const struct memory_devices *devices, const char *label)
{
	struct hash_node *node =
	    hash_map_find(&devices->index->by_label, str_of(label));

	if (node != NULL)
		return &HASH_ENTRY(node, struct memory_device, by_label)
			    ->record;
	node = hash_map_find(&devices->index->aliases, str_of(label));
	return node != NULL
	    ? &HASH_ENTRY(node, struct memory_alias, by_label)->device->record
	    : NULL;
}

const struct device_record *
memory_devices_of_port(const struct memory_devices *devices, uint16_t port)
{
	const struct memory_device *device = devices->index->of_port[port];

	return device ? &device->record : NULL;
}

size_t
memory_devices_count(const struct memory_devices *devices)
{
	return devices->index->by_name.count + devices->index->n_fleets;
}

static enum memory_devices_result
changed(const struct memory_devices *devices, int result,
    const struct device_file_error *error)
{
	if (result == 0)
		return MEMORY_DEVICES_OK;
	if (error->busy)
		return MEMORY_DEVICES_BUSY;
	if (error->line > 0)
		log_error("the devices file cannot be changed: one of its "
			  "lines is in the way",
		    LOG_S("file", devices->path), LOG_U("line", error->line),
		    LOG_S("error", error->text));
	else
		log_error("the devices file cannot be changed: the relay needs "
			  "to write it and its folder",
		    LOG_S("file", devices->path), LOG_S("error", error->text));
	return MEMORY_DEVICES_FAILED;
}

enum memory_devices_result
memory_devices_enrol(struct memory_devices *devices, const char *fleet,
    const char *name, device_file_judge judge, void *ctx)
{
	struct device_file_error error;

	if (devices->path == NULL) {
		struct device_record none = {0};

		return judge(ctx, NULL, NULL, &none) ? MEMORY_DEVICES_FAILED
						     : MEMORY_DEVICES_OK;
	}
	return changed(devices,
	    device_file_enrol(
		devices->path, str_of(fleet), str_of(name), judge, ctx, &error),
	    &error);
}

enum memory_devices_result
memory_devices_change(struct memory_devices *devices, const char *name,
    device_file_edit edit, void *ctx, bool *found)
{
	struct device_file_error error;

	*found = false;
	if (devices->path == NULL)
		return MEMORY_DEVICES_OK;
	return changed(devices,
	    device_file_change(
		devices->path, str_of(name), edit, ctx, false, found, &error),
	    &error);
}
