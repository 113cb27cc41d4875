/* SPDX-License-Identifier: MIT */
/* Candidates in their order, and what may be granted. */
#include "net/crypto.h"
#include "registry/claim_plan.h"
#include "registry/port_set.h"

static void
add_label(struct claim_plan *plan, const char *label, enum plan_source source)
{
	size_t at = plan->n_labels++;

	memcpy(plan->labels[at].label, label, LABEL_MAX + 1);
	plan->labels[at].source = source;
}

static void
plan_labels(struct claim_plan *plan, const struct claim *claim,
    const struct lease *standing)
{
	char drawn[LABEL_MAX + 1] = "";

	if (claim->device.label[0] != '\0') {
		add_label(plan, claim->device.label, PLAN_RESERVED);
		return;
	}
	if (standing != NULL && standing->label[0] != '\0')
		add_label(plan, standing->label, PLAN_STANDING);
	else if (claim->has_signed_lease &&
	    claim->signed_lease.label[0] != '\0')
		add_label(plan, claim->signed_lease.label, PLAN_SIGNED);
	crypto_base32_label(drawn, DRAWN_LABEL_LEN);
	add_label(plan, drawn, PLAN_DRAWN);
}

static void
add_port(struct plan_service *service, uint16_t port, enum plan_source source)
{
	if (port == 0)
		return;
	service->ports[service->n_ports].port = port;
	service->ports[service->n_ports++].source = source;
}

static void
plan_service(struct plan_service *service, const struct claim *claim,
    const char *name, const struct lease *standing,
    const struct port_set *public_ports)
{
	struct str key = str_of(name);
	uint16_t port;

	*service = (struct plan_service){0};
	memcpy(service->name, name, sizeof(service->name));
	port =
	    service_port_find(claim->device.ports, claim->device.n_ports, key);
	if (port != 0) {
		add_port(service, port, PLAN_RESERVED);
		return;
	}
	if (standing != NULL)
		add_port(service,
		    service_port_find(standing->ports, standing->n_ports, key),
		    PLAN_STANDING);
	if (!claim->has_signed_lease)
		return;
	port = service_port_find(
	    claim->signed_lease.ports, claim->signed_lease.n_ports, key);
	if (port_set_has(public_ports, port))
		add_port(service, port, PLAN_SIGNED);
}

void
claim_plan_make(struct claim_plan *plan, const struct claim *claim,
    const struct lease *standing, const struct port_set *public_ports)
{
	plan->n_labels = plan->n_services = 0;
	plan_labels(plan, claim, standing);
	for (size_t i = 0; i < claim->n_services; i++)
		if (claim->services[i].kind == SERVICE_TCP)
			plan_service(&plan->services[plan->n_services++], claim,
			    claim->services[i].name, standing, public_ports);
}

uint16_t
claim_plan_any_port(const struct port_set *public_ports)
{
	return public_ports->count == 0
	    ? 0
	    : port_set_nth(public_ports, crypto_below(public_ports->count));
}

bool
claim_plan_acceptable(enum plan_source source, const struct plan_fact *fact)
{
	switch (source) {
	case PLAN_RESERVED:
		/* the operator's word ends a rest, but no lease */
		return !fact->taken || fact->mine || fact->resting;
	case PLAN_STANDING:
		return (!fact->taken || fact->mine) &&
		    !fact->reserved_for_other;
	case PLAN_SIGNED:
	case PLAN_DRAWN:
		break;
	}
	return !fact->taken && !fact->reserved_for_other;
}

uint64_t
claim_next_epoch(const struct claim *claim, uint64_t last)
{
	uint64_t now = loop_wall_us();

	if (claim->has_signed_lease && claim->signed_lease.epoch > last)
		last = claim->signed_lease.epoch;
	return now > last ? now : last + 1;
}

static bool
has_port(const struct lease *lease, uint16_t port)
{
	for (size_t i = 0; i < lease->n_ports; i++)
		if (lease->ports[i].port == port)
			return true;
	return false;
}

bool
lease_covers(const struct lease *lease, const struct lease *less)
{
	for (size_t i = 0; i < less->n_ports; i++)
		if (!has_port(lease, less->ports[i].port))
			return false;
	return strcmp(lease->label, less->label) == 0;
}
