/* SPDX-License-Identifier: MIT */
/*
 * The device file in memory: read again when it has changed, with an index of what is
 * reserved for whom. For registry_memory.c alone.
 */
#ifndef TAUPE_REGISTRY_REGISTRY_MEMORY_DEVICES_H
#define TAUPE_REGISTRY_REGISTRY_MEMORY_DEVICES_H

#include "base/device_file.h"

struct memory_devices;

/* A device was changed by the operator, or removed. */
typedef void (*memory_devices_cb)(void *ctx, const char *name);

/* path may be NULL: there are no devices. NULL: no memory, or the file is wrong, which
 * was logged. */
struct memory_devices *memory_devices_new(const char *path);
void memory_devices_free(struct memory_devices **devices);

/* Read the file again if it is not the one that was read last. One that is wrong is
 * logged once, and the devices stay as they were. */
void memory_devices_refresh(
    struct memory_devices *devices, memory_devices_cb cb, void *ctx);

/* Each is NULL when there is none; valid until the next refresh. */
const struct device_record *memory_devices_find(
    const struct memory_devices *devices, const char *name);
const struct fleet_record *memory_devices_find_fleet(
    const struct memory_devices *devices, const char *name);
const struct device_record *memory_devices_of_label(
    const struct memory_devices *devices, const char *label);
const struct device_record *memory_devices_of_port(
    const struct memory_devices *devices, uint16_t port);
/* Devices and fleets. */
size_t memory_devices_count(const struct memory_devices *devices);

enum memory_devices_result {
	MEMORY_DEVICES_OK,
	MEMORY_DEVICES_BUSY,  /* another writer has the file now */
	MEMORY_DEVICES_FAILED /* it cannot be written, which was logged, or there is none */
};

/* Changes of the file, as in device_file.h; the devices are read anew by the next refresh. */
enum memory_devices_result memory_devices_enrol(struct memory_devices *devices, const char *fleet,
    const char *name, device_file_judge judge, void *ctx);
enum memory_devices_result memory_devices_change(struct memory_devices *devices, const char *name,
    device_file_edit edit, void *ctx, bool *found);

#endif
