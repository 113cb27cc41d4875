/* SPDX-License-Identifier: MIT */
/*
 * One suite for both registries: whatever a relay may rely on is tested here, once, and
 * run against memory and against a real Redis. Time in it is real, and short.
 */
#ifndef TAUPE_TESTS_RELAY_REGISTRY_SUITE_H
#define TAUPE_TESTS_RELAY_REGISTRY_SUITE_H

#include <check.h>

#include "registry/grant.h"
#include "registry/port_set.h"
#include "registry/registry.h"

#define SUITE_LEASE_MS 60000
#define SUITE_QUARANTINE_MS 120000
#define SUITE_ANNOUNCE_MS 100
#define SUITE_EVENTS_MAX 4096

/* What is different between the two. */
struct suite_store {
	void (*start)(void);
	void (*stop)(void);
	struct registry *(*open)(
	    const char *relay_id, registry_event_cb cb, void *ctx);
	void (*put_device)(const struct device_record *record);
	void (*remove_device)(const char *name);
	void (*put_fleet)(const struct fleet_record *record);
	/* All but the devices is lost; *registry may be another one then. */
	void (*forget)(struct registry **registry);
	bool
	    keeps_routes; /* for others: a stand-alone relay has no use for that */
};

extern const struct suite_store suite_store;

/* The scene of every test. */
struct scene {
	struct loop *loop;
	struct registry_settings settings;
	struct port_set public_ports;
	struct registry *registry; /* of relay r1 */
	size_t n_events;
	struct registry_event events[SUITE_EVENTS_MAX];
};
extern struct scene scene;

/* Run the loop until done() or, after ten seconds, fail. */
void scene_run_until(bool (*done)(void));
void scene_look(void);
void scene_run_ms(uint64_t ms);
void scene_event_cb(void *ctx, const struct registry_event *event);
/* The first event of that type (and name, unless NULL) at or after *from; runs the loop
 * until there is one, and moves *from behind it. */
const struct registry_event *scene_wait_event(
    enum registry_event_type type, const char *name, size_t *from);
bool scene_has_event(
    enum registry_event_type type, const char *name, size_t from);

/* "label=x&port=ssh:20022", or NULL for nothing reserved. */
void scene_put_device(const char *name, const char *reserved);
enum registry_status scene_get_device(
    const char *name, struct device_record *record);

/* *record is filled where the verdict has one. */
enum enrolment_verdict scene_enrol(
    const struct enrolment *enrolment, struct device_record *record);
enum registry_status scene_rotate(const struct rotation *rotation);

/* A claim with these services, "web:http ssh:tcp"; the device is looked up as a relay
 * does. */
struct claim scene_claim(
    const char *name, const char *instance, const char *services);
struct claim_result scene_do_claim(
    struct registry *registry, const struct claim *claim);
/* All in one. */
struct claim_result scene_join(
    const char *name, const char *instance, const char *services);

struct holding scene_holding(
    const char *name, const struct claim_result *result);
enum registry_status scene_hold(
    struct registry *registry, const struct holding *holding);
/* True: the answer is to be waited for with scene_count_end(), which says what was refused. */
bool scene_count_begin(const char *name, struct device_counters *delta);
struct device_counters scene_count_end(void);
enum registry_status scene_expire(
    struct registry *registry, const char *name, uint64_t epoch);

void scene_setup(void);
void scene_teardown(void);
/* Add the tests that both implementations must pass. */
void suite_add_common(Suite *suite);
/* registry_fencing.c */
void suite_add_fencing(Suite *suite);
/* Run a suite as a program does. */
int suite_run(Suite *suite);

#endif
