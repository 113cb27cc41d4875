/* SPDX-License-Identifier: MIT */
/* A queue with a bounded number of writes under way: an answer starts the next. A device
 * that was let in without the registry, or whose record may have changed unread, is looked up there
 * first, and written if it may be here (device_recheck()). */
#include "config.h"

#include "relay/backlog.h"

#define WRITES_AT_ONCE 64

void
backlog_add(struct device *device)
{
	if (device->unwritten || device->moved || device->released)
		return;
	device->unwritten = true;
	device->relay->n_backlog++;
	TAILQ_INSERT_TAIL(&device->relay->backlog, device, backlog_link);
}

void
backlog_remove(struct device *device)
{
	if (!device->unwritten)
		return;
	device->unwritten = false;
	device->relay->n_backlog--;
	TAILQ_REMOVE(&device->relay->backlog, device, backlog_link);
}

static void
add_cb(void *ctx, struct hash_node *node)
{
	(void)ctx;
	backlog_add(HASH_ENTRY(node, struct device, by_name));
}

void
backlog_add_all(struct relay *relay)
{
	hash_map_each(&relay->devices, add_cb, NULL);
}

static void
written_cb(void *ctx, enum registry_status status)
{
	struct relay *relay = ctx;

	relay->backlog_writes--;
	if (status != REGISTRY_UNAVAILABLE)
		backlog_write(relay);
}

void
backlog_write(struct relay *relay)
{
	struct device *device;

	/* counted, because what fails at once is back in the queue at once */
	for (int i = 0; i < WRITES_AT_ONCE; i++) {
		if (relay->backlog_writes == WRITES_AT_ONCE ||
		    !relay->registry->ops->is_up(relay->registry) ||
		    (device = TAILQ_FIRST(&relay->backlog)) == NULL)
			return;
		backlog_remove(device);
		relay->backlog_writes++;
		if (!device->unverified && !device->unread) {
			device_hold(device, written_cb, relay);
		} else if (device_recheck(
			       relay, device->name, written_cb, relay) != 0) {
			relay->backlog_writes--;
			backlog_add(device);
		}
	}
}
