/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/log.h"
#include "net/crypto.h"
#include "relay/rotation.h"
#include "relay/session.h"

#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 60000

struct pending_rotation {
	LIST_ENTRY(pending_rotation) link; /* in relay->rotations */
	struct relay *relay;
	struct rotation rotation;
	uint64_t epoch;	     /* of the session that has offered it */
	struct timer retry;  /* set: the registry did not answer */
	unsigned retried_ms; /* how long the last wait was */
};

static void done_cb(void *ctx, enum registry_status status);

static void
drop(struct pending_rotation *pending)
{
	timer_clear(pending->relay->loop, &pending->retry);
	LIST_REMOVE(pending, link);
	free(pending);
}

static void
ask_registry(struct pending_rotation *pending)
{
	struct registry *registry = pending->relay->registry;

	if (registry->ops->rotate(
		registry, &pending->rotation, done_cb, pending) != 0)
		drop(pending);
}

/* Another session may have nothing of that secret, and is asked anew: what the one before it
 * has offered must not be written any more. */
static void
retry_cb(void *ctx)
{
	struct pending_rotation *pending = ctx;
	const struct device *device =
	    device_find(pending->relay, str_of(pending->rotation.name));

	if (device != NULL && device->session != NULL &&
	    device->grant->epoch == pending->epoch)
		ask_registry(pending);
	else
		drop(pending);
}

/* It may even have written it. Whichever it was, asking once more ends well. */
static void
retry_later(struct pending_rotation *pending)
{
	pending->retried_ms =
	    pending->retried_ms == 0 ? RETRY_MIN_MS : pending->retried_ms * 2;
	if (pending->retried_ms > RETRY_MAX_MS)
		pending->retried_ms = RETRY_MAX_MS;
	timer_set(pending->relay->loop, &pending->retry, pending->retried_ms);
}

static struct pending_rotation *
find(const struct device *device)
{
	struct pending_rotation *pending;

	LIST_FOREACH (pending, &device->relay->rotations, link)
		if (strcmp(pending->rotation.name, device->name) == 0)
			return pending;
	return NULL;
}

void
rotation_ask(struct device *device, const struct device_record *record)
{
	if (device->session == NULL || !device_record_wants_rotation(record))
		return;
	device->secret_asked = true;
	session_ask_secret(device->session);
}

bool
rotation_expects(
    const struct device *device, const uint8_t secret_sha256[SECRET_HASH_LEN])
{
	const struct pending_rotation *pending = find(device);

	return pending != NULL && pending->rotation.error[0] == '\0' &&
	    crypto_equal(
		pending->rotation.new_sha256, secret_sha256, SECRET_HASH_LEN);
}

/* The session may be another one by now, which makes no difference: it has either secret. */
static void
confirm(struct device *device, const struct rotation *rotation)
{
	memcpy(device->secret_sha256, rotation->new_sha256, SECRET_HASH_LEN);
	device->relay->counters.secrets_rotated++;
	log_info("device has another secret", LOG_S("device", device->name));
	if (device->session != NULL)
		session_confirm_secret(
		    device->session, rotation->new_sha256, NULL);
}

static void
refuse(struct device *device)
{
	if (device->session != NULL)
		session_confirm_secret(device->session, NULL,
		    "nobody has asked for another secret");
}

static void
done_cb(void *ctx, enum registry_status status)
{
	struct pending_rotation *pending = ctx;
	const struct rotation *rotation = &pending->rotation;
	struct device *device =
	    device_find(pending->relay, str_of(rotation->name));

	if (status == REGISTRY_UNAVAILABLE) {
		retry_later(pending);
		return;
	}
	if (rotation->error[0] != '\0') {
		if (status == REGISTRY_OK)
			log_warn("device cannot have another secret",
			    LOG_S("device", rotation->name),
			    LOG_S("reason", rotation->error));
	} else if (device != NULL && status == REGISTRY_OK) {
		confirm(device, rotation);
	} else if (device != NULL) {
		refuse(device);
	}
	drop(pending);
}

/* Why there is none, for the record; the word of the wish itself is no reason. */
static void
take_error(struct rotation *rotation, struct str error)
{
	if (error.len == 0 || str_equal(error, STR(ROTATION_ASKED)) ||
	    !str_copy(error, rotation->error, sizeof(rotation->error)))
		(void)str_copy(STR("the agent gives no reason"),
		    rotation->error, sizeof(rotation->error));
}

void
rotation_take(struct device *device, const struct control_msg *msg)
{
	struct relay *relay = device->relay;
	struct pending_rotation *pending;

	/* one at a time: its answer is on the way; one that only waits gives way to this */
	if ((pending = find(device)) != NULL) {
		if (!timer_is_set(&pending->retry))
			return;
		drop(pending);
	}
	/* an agent that offers one after the other must not cost the registry anything */
	if (!device->secret_asked) {
		refuse(device);
		return;
	}
	if ((pending = calloc(1, sizeof(*pending))) == NULL)
		return;
	device->secret_asked = false;
	pending->relay = relay;
	pending->epoch = device->grant->epoch;
	timer_init(&pending->retry, retry_cb, pending);
	(void)str_copy(str_of(device->name), pending->rotation.name,
	    sizeof(pending->rotation.name));
	memcpy(pending->rotation.old_sha256, device->secret_sha256,
	    SECRET_HASH_LEN);
	if (msg->sha256.ptr != NULL)
		(void)secret_hash_parse(msg->sha256,
		    pending->rotation
			.new_sha256); /* checked with the message */
	else
		take_error(&pending->rotation, msg->error);
	LIST_INSERT_HEAD(&relay->rotations, pending, link);
	ask_registry(pending);
}

void
rotations_free_all(struct relay *relay)
{
	struct pending_rotation *pending;

	while ((pending = LIST_FIRST(&relay->rotations)) != NULL)
		drop(pending);
}
