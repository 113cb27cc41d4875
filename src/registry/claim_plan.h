/* SPDX-License-Identifier: MIT */
/*
 * The order in which a claim's label and ports are looked for, the same in both
 * registries: what is reserved for the device, then its standing lease's, then its signed
 * lease's, then a new one. Knows no storage: who asks says what it knows of a candidate.
 */
#ifndef TAUPE_REGISTRY_CLAIM_PLAN_H
#define TAUPE_REGISTRY_CLAIM_PLAN_H

#include "registry/registry.h"

#define DRAWN_LABEL_LEN 10 /* 50 bits */
#define PLAN_LABELS_MAX                                                        \
	3 /* standing, signed, drawn; or the reserved one alone */
#define PLAN_PORTS_MAX 2 /* standing, signed; or the reserved one alone */

enum plan_source { PLAN_RESERVED, PLAN_STANDING, PLAN_SIGNED, PLAN_DRAWN };

/* A tcp service and the ports that it would rather have than any. */
struct plan_service {
	char name[SERVICE_NAME_MAX + 1];
	size_t n_ports;
	struct {
		uint16_t port;
		enum plan_source source;
	} ports[PLAN_PORTS_MAX];
};

struct claim_plan {
	size_t n_labels;
	struct {
		char label[LABEL_MAX + 1];
		enum plan_source source;
	} labels[PLAN_LABELS_MAX];
	size_t n_services; /* tcp ones */
	struct plan_service services[SERVICES_MAX];
};

/* What the registry knows of a label or port. */
struct plan_fact {
	bool taken;		 /* leased, or (a label) resting */
	bool mine;		 /* taken by this device */
	bool resting;		 /* taken, but by no standing lease */
	bool reserved_for_other; /* than this device */
};

/* standing: the device's lease in the registry, or NULL. A new label is drawn each time. */
void claim_plan_make(struct claim_plan *plan, const struct claim *claim,
    const struct lease *standing, const struct port_set *public_ports);

/* Where to begin to look for a port to draw: at any of them, so that those that look at
 * once look at different ones. 0: there is none. */
uint16_t claim_plan_any_port(const struct port_set *public_ports);

/* May a candidate of this source be granted? */
bool claim_plan_acceptable(
    enum plan_source source, const struct plan_fact *fact);

/* An epoch that is later than the last one that the registry knows, than the one that the
 * device has shown (the registry may have lost it, and have been granted by a clock that is
 * ahead of ours), and than everything of the past. */
uint64_t claim_next_epoch(const struct claim *claim, uint64_t last);

/* Has it that label and all those ports? */
bool lease_covers(const struct lease *lease, const struct lease *less);

#endif
