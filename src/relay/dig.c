/* SPDX-License-Identifier: MIT */
/* Ids by hash, relay-wide, because a transfer handshake names nothing but its id. */
#include "config.h"

#include <stdlib.h>

#include "base/log.h"
#include "net/crypto.h"
#include "relay/dig.h"
#include "relay/service.h"
#include "relay/session.h"
#include "relay/stream.h"
#include "relay/visitor.h"
#include "relay/warm.h"
#include "relay/ws_send.h"

#define DIG_LIFE_MS 10000

struct dig {
	struct hash_node by_id; /* in relay->digs */
	LIST_ENTRY(dig) link;	/* in device->digs */
	struct device *device;
	struct timer timer;
	bool shared;
	char id[TRANSFER_ID_LEN + 1];
};

static struct str
key_cb(const struct hash_node *node)
{
	const struct dig *dig = HASH_ENTRY(node, const struct dig, by_id);

	return (struct str){dig->id, TRANSFER_ID_LEN};
}

void
digs_init(struct relay *relay)
{
	hash_map_init(&relay->digs, key_cb);
}

static void
dig_free(struct dig *dig)
{
	struct relay *relay = dig->device->relay;

	timer_clear(relay->loop, &dig->timer);
	hash_map_remove(&relay->digs, &dig->by_id);
	LIST_REMOVE(dig, link);
	if (dig->shared)
		dig->device->shared_dug = dig->device->shared_late = false;
	else
		dig->device->n_digs--;
	free(dig);
}

/* One channel for all is one fault for all: whoever waits for it longer than an agent may take for a
 * visitor gets one of their own. It may still come. */
static void
wait_no_longer(struct device *device)
{
	device->shared_late = true;
	warm_tend(device);
}

static uint64_t
patience_ms(const struct relay *relay)
{
	uint64_t ms = (uint64_t)relay->options.open_timeout_ms;

	return ms < DIG_LIFE_MS ? ms : DIG_LIFE_MS;
}

static void
timer_cb(void *ctx)
{
	struct dig *dig = ctx;
	struct device *device = dig->device;
	struct relay *relay = device->relay;

	if (!dig->shared || device->shared_late) {
		dig_free(dig); /* too old to be redeemed */
		return;
	}
	timer_set(relay->loop, &dig->timer, DIG_LIFE_MS - patience_ms(relay));
	wait_no_longer(device);
}

/* For whom the next channel is; NULL: for whoever comes. */
static const struct visitor *
next_waiting(const struct device *device)
{
	return device->n_digs < device->n_waiting
	    ? TAILQ_LAST(&device->waiting, visitor_queue)
	    : NULL;
}

bool
dig_start(struct device *device, bool shared)
{
	struct relay *relay = device->relay;
	const struct visitor *visitor = next_waiting(device);
	struct dig *dig = calloc(1, sizeof(*dig));
	uint8_t random[TRANSFER_ID_LEN / 2];
	struct writer w;

	if (dig == NULL || ws_is_clogged(&device->session->conn)) {
		free(dig);
		return false; /* a visitor's own time runs out */
	}
	crypto_random(random, sizeof(random));
	writer_init(&w, dig->id, TRANSFER_ID_LEN);
	writer_hex(&w, random, sizeof(random));
	dig->device = device;
	dig->shared = shared;
	timer_init(&dig->timer, timer_cb, dig);
	if (hash_map_insert(&relay->digs, &dig->by_id) != 0) {
		free(dig);
		return false;
	}
	if (shared)
		device->shared_dug = true;
	else
		device->n_digs++;
	LIST_INSERT_HEAD(&device->digs, dig, link);
	timer_set(relay->loop, &dig->timer,
	    shared ? patience_ms(relay) : DIG_LIFE_MS);
	session_send_open(device->session, dig->id,
	    visitor != NULL ? visitor->service->name : NULL, shared);
	return true;
}

static struct dig *
find(struct relay *relay, struct str id)
{
	struct hash_node *node = hash_map_find(&relay->digs, id);

	return node != NULL ? HASH_ENTRY(node, struct dig, by_id) : NULL;
}

struct device *
dig_redeem(struct relay *relay, struct str id, bool *shared)
{
	struct dig *dig = find(relay, id);
	struct device *device;

	if (dig == NULL)
		return NULL;
	device = dig->device;
	*shared = dig->shared;
	dig_free(dig);
	return device;
}

void
dig_refused(struct device *device, struct str id, struct str reason)
{
	struct dig *dig = find(device->relay, id);
	bool is_shared;

	if (dig == NULL || dig->device != device)
		return;
	is_shared = dig->shared;
	dig_free(dig);
	if (is_shared) {
		device->mux_visits = 0;
		warm_tend(device);
		return;
	}
	if (device->n_digs < device->n_waiting + device->n_movers)
		streams_stay(device);
	/* a shared one that is under way takes whoever waits */
	if (device->shared_dug || device->n_digs >= device->n_waiting)
		return;
	log_warn("agent refused a transfer channel",
	    LOG_S("device", device->name), LOG_STR("reason", reason));
	visitor_fail(TAILQ_FIRST(&device->waiting), PAGE_REFUSED);
}

void
digs_forget(struct device *device)
{
	struct dig *dig;

	while ((dig = LIST_FIRST(&device->digs)) != NULL)
		dig_free(dig);
}
