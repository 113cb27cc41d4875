/* SPDX-License-Identifier: MIT */
/*
 * Enrolling a device in a fleet, and giving a device another secret: each reads what stands,
 * asks the judge, and writes only if nobody has changed that meanwhile.
 */
#include <stdlib.h>

#include "registry/credentials.h"
#include "registry/registry_redis_records.h"

#define HASH_TEXT (2 * SECRET_HASH_LEN + 1)
#define PATIENCE_MS 10000 /* the default of an agent's connect_timeout */

static const char *
hash_text(const uint8_t sha256[SECRET_HASH_LEN], char text[HASH_TEXT])
{
	struct writer w;

	writer_init(&w, text, HASH_TEXT - 1);
	writer_hex(&w, sha256, SECRET_HASH_LEN);
	*w.at = '\0';
	return text;
}

/* Enrolling. */

struct redis_enrolment {
	struct redis_tx tx;
	struct redis_registry *registry;
	struct enrolment enrolment;
	struct registry_answer *answer;
	bool has_fleet, has_device;
	struct fleet_record fleet;
	struct device_record device;
};

static struct redis_enrolment *
enrolment_of(struct redis_tx *tx)
{
	return (struct redis_enrolment *)(void *)tx;
}

static bool
read_fleet(struct redis_tx *tx, const redisReply *reply)
{
	struct redis_enrolment *op = enrolment_of(tx);

	return redis_fleet_read(
	    reply, op->enrolment.fleet, &op->fleet, &op->has_fleet);
}

static bool
read_free_name(struct redis_tx *tx, const redisReply *reply)
{
	struct redis_enrolment *op = enrolment_of(tx);

	device_record_drop(&op->device);
	return redis_device_read(
	    reply, op->enrolment.name, &op->device, &op->has_device);
}

static void
write_enrolment(struct redis_tx *tx)
{
	struct redis_enrolment *op = enrolment_of(tx);
	const struct device_record *record = &op->answer->device;
	char hash[HASH_TEXT];

	redis_tx_queuef(tx,
	    "HSET taupe:device:%s name %s secret_sha256 %s label %s ports %s "
	    "created %llu fleet %s",
	    record->name, record->name, hash_text(record->secret_sha256, hash),
	    "", "", (unsigned long long)loop_wall_ms(), record->fleet);
	redis_tx_queuef(tx, "SADD taupe:devices %s", record->name);
	redis_tx_queuef(tx, "HINCRBY taupe:fleet:%s used 1", record->fleet);
}

static enum enrolment_verdict
judge(struct redis_enrolment *op)
{
	return op->answer->verdict = enrolment_judge(&op->enrolment,
		   op->has_fleet ? &op->fleet : NULL,
		   op->has_device ? &op->device : NULL, loop_wall_ms(),
		   &op->answer->device);
}

static void
decide_enrolment(struct redis_tx *tx)
{
	struct redis_enrolment *op = enrolment_of(tx);

	if (judge(op) == ENROLMENT_NEW && !op->enrolment.look_only)
		redis_tx_write(tx, write_enrolment);
	else
		redis_tx_end(tx, REGISTRY_OK);
}

static void
begin_enrolment(struct redis_tx *tx)
{
	const struct enrolment *enrolment = &enrolment_of(tx)->enrolment;
	struct redis_args watch = REDIS_ARGS_NONE;

	redis_args_add(&watch, "WATCH");
	redis_args_addf(&watch, "taupe:fleet:%s", enrolment->fleet);
	redis_args_addf(&watch, "taupe:device:%s", enrolment->name);
	redis_tx_watch(tx, &watch);
	redis_tx_readf(
	    tx, read_fleet, "HGETALL taupe:fleet:%s", enrolment->fleet);
	redis_tx_readf(
	    tx, read_free_name, "HGETALL taupe:device:%s", enrolment->name);
	redis_tx_then(tx, decide_enrolment);
}

static void
answer_enrolment(struct redis_enrolment *op)
{
	if (op->registry->freeing)
		registry_answer_free(op->answer);
	else
		registry_answers_post(&op->registry->answers, op->answer);
	device_record_drop(&op->device);
	free(op);
}

static void
finish_enrolment(struct redis_tx *tx, enum registry_status status, bool quiet)
{
	struct redis_enrolment *op = enrolment_of(tx);

	(void)quiet;
	if (status != REGISTRY_OK)
		op->answer->verdict = ENROLMENT_UNAVAILABLE;
	answer_enrolment(op);
}

static const struct redis_tx_ops enrolment_ops = {
    .name = "enrol",
    .patience_ms = PATIENCE_MS,
    .begin = begin_enrolment,
    .finish = finish_enrolment,
};

/* The fleet, as it stands now. Those of a fleet write what all of them watch: one after the
 * other, each gets through. A wrong key takes nobody's turn. */
static void
fleet_cb(void *ctx, const redisReply *reply)
{
	struct redis_enrolment *op = ctx;

	op->answer->verdict = ENROLMENT_UNAVAILABLE;
	if (reply == NULL) {
		answer_enrolment(op);
	} else if (!read_fleet(&op->tx, reply)) {
		redis_complain(op->registry, "enrol", reply);
		answer_enrolment(op);
	} else if (judge(op) == ENROLMENT_BAD_KEY) {
		answer_enrolment(op);
	} else {
		redis_tx_start(
		    op->registry, &op->tx, &enrolment_ops, op->enrolment.fleet);
	}
}

int
redis_enrol_start(struct registry *registry, const struct enrolment *enrolment,
    registry_enrol_cb cb, void *ctx)
{
	struct redis_enrolment *op = calloc(1, sizeof(*op));
	struct registry_answer *answer =
	    registry_answer_new(ANSWER_ENROLMENT, ctx);

	if (op == NULL || answer == NULL) {
		free(op);
		registry_answer_free(answer);
		return -1;
	}
	answer->enrol_cb = cb;
	op->registry = redis_registry_of(registry);
	op->answer = answer;
	op->enrolment = *enrolment;
	if (!op->registry->up ||
	    redis_link_commandf(op->registry->main, fleet_cb, op,
		"HGETALL taupe:fleet:%s", op->enrolment.fleet) != 0)
		fleet_cb(op, NULL);
	return 0;
}

/* Another secret. */

struct redis_rotation {
	struct redis_tx tx;
	struct rotation rotation;
	struct registry_answer *answer;
	bool has_device;
	struct device_record device;
	enum registry_status outcome;
};

static struct redis_rotation *
rotation_of(struct redis_tx *tx)
{
	return (struct redis_rotation *)(void *)tx;
}

static bool
read_device(struct redis_tx *tx, const redisReply *reply)
{
	struct redis_rotation *op = rotation_of(tx);

	device_record_drop(&op->device);
	return redis_device_read(
	    reply, op->rotation.name, &op->device, &op->has_device);
}

static void
write_rotation(struct redis_tx *tx)
{
	const struct redis_rotation *op = rotation_of(tx);
	const char *name = op->rotation.name;
	char hash[HASH_TEXT];

	if (op->device.rotation[0] != '\0') {
		redis_tx_queuef(tx, "HSET taupe:device:%s rotation %s", name,
		    op->device.rotation);
		return;
	}
	redis_tx_queuef(tx, "HSET taupe:device:%s secret_sha256 %s", name,
	    hash_text(op->device.secret_sha256, hash));
	redis_tx_queuef(tx, "HDEL taupe:device:%s rotation", name);
}

static void
decide_rotation(struct redis_tx *tx)
{
	struct redis_rotation *op = rotation_of(tx);
	bool changed = false;

	op->outcome = op->has_device
	    ? rotation_judge(&op->rotation, &op->device, &changed)
	    : REGISTRY_NOT_FOUND;
	if (changed)
		redis_tx_write(tx, write_rotation);
	else
		redis_tx_end(tx, REGISTRY_OK);
}

static void
begin_rotation(struct redis_tx *tx)
{
	const char *name = rotation_of(tx)->rotation.name;
	struct redis_args watch = REDIS_ARGS_NONE;

	redis_args_add(&watch, "WATCH");
	redis_args_addf(&watch, "taupe:device:%s", name);
	redis_tx_watch(tx, &watch);
	redis_tx_readf(tx, read_device, "HGETALL taupe:device:%s", name);
	redis_tx_then(tx, decide_rotation);
}

static void
finish_rotation(struct redis_tx *tx, enum registry_status status, bool quiet)
{
	struct redis_rotation *op = rotation_of(tx);

	op->answer->status = status == REGISTRY_OK ? op->outcome : status;
	if (quiet)
		registry_answer_free(op->answer);
	else
		registry_answers_post(&tx->registry->answers, op->answer);
	device_record_drop(&op->device);
	free(op);
}

static const struct redis_tx_ops rotation_ops = {
    .name = "rotate",
    .begin = begin_rotation,
    .finish = finish_rotation,
};

int
redis_rotate_start(struct registry *registry, const struct rotation *rotation,
    registry_done_cb cb, void *ctx)
{
	struct redis_rotation *op = calloc(1, sizeof(*op));
	struct registry_answer *answer = registry_answer_new(ANSWER_DONE, ctx);

	if (op == NULL || answer == NULL) {
		free(op);
		registry_answer_free(answer);
		return -1;
	}
	answer->done_cb = cb;
	op->answer = answer;
	op->rotation = *rotation;
	redis_tx_start(redis_registry_of(registry), &op->tx, &rotation_ops,
	    op->rotation.name);
	return 0;
}
