/* SPDX-License-Identifier: MIT */
#include "base/log.h"
#include "net/crypto.h"
#include "relay/enrol.h"
#include "relay/events.h"

static const struct {
	unsigned status;
	const char *code, *reason;
	unsigned retry_after_s;
} answers[] = {
    [ENROLMENT_BAD_KEY] = {401, "unauthorized",
	"unknown fleet or wrong enrolment key: ask the operator for another "
	"one",
	0},
    [ENROLMENT_EXPIRED] = {401, "unauthorized",
	"the enrolment key has expired: ask the operator for another one", 0},
    [ENROLMENT_FULL] = {403, "fleet_full",
	"the fleet has enrolled as many devices as it may: ask the operator "
	"for "
	"room",
	0},
    [ENROLMENT_NAME_REFUSED] = {403, "name_refused",
	"the device's name does not fit the fleet's pattern: choose another "
	"name",
	0},
    [ENROLMENT_NAME_TAKEN] = {409, "name_taken",
	"a device of this name exists and has another secret: choose another "
	"name, or have the operator remove that device",
	0},
    [ENROLMENT_UNAVAILABLE] = {503, "unavailable",
	"the registry does not answer", 2},
};

bool
enrol_read(const struct http_head *head, const struct control_params *params,
    const char *from, struct enrolment *enrolment, struct upgrade_error *error)
{
	struct str key = handshake_bearer(head), fleet;

	*enrolment = (struct enrolment){0};
	if (key.ptr == NULL || !handshake_enrolment_key_parse(key, &fleet)) {
		*error = (struct upgrade_error){.status = 401,
		    .code = "unauthorized",
		    .reason = "enrol= needs an enrolment key as the bearer"};
		return false;
	}
	(void)str_copy(fleet, enrolment->fleet, sizeof(enrolment->fleet));
	(void)str_copy(params->name, enrolment->name, sizeof(enrolment->name));
	(void)str_copy(str_of(from), enrolment->from, sizeof(enrolment->from));
	(void)secret_hash_parse(params->enrol,
	    enrolment->secret_sha256); /* checked with the request */
	crypto_sha256(key.ptr, key.len, enrolment->key_sha256);
	return true;
}

bool
enrol_error(enum enrolment_verdict verdict, struct upgrade_error *error)
{
	if (verdict == ENROLMENT_NEW || verdict == ENROLMENT_KNOWN)
		return false;
	*error = (struct upgrade_error){.status = answers[verdict].status,
	    .code = answers[verdict].code,
	    .reason = answers[verdict].reason,
	    .retry_after_s = answers[verdict].retry_after_s};
	return true;
}

bool
enrol_judged(struct relay *relay, const struct enrolment *enrolment,
    enum enrolment_verdict verdict, struct upgrade_error *error)
{
	if (!enrol_error(verdict, error)) {
		if (verdict == ENROLMENT_KNOWN)
			return true;
		relay->counters.devices_enrolled++;
		log_info("device enrolled", LOG_S("device", enrolment->name),
		    LOG_S("fleet", enrolment->fleet),
		    LOG_S("from", enrolment->from));
		event_emit(relay, EVENT_ENROL, enrolment->name,
		    LOG_S("fleet", enrolment->fleet),
		    LOG_S("from", enrolment->from));
		return true;
	}
	if (verdict == ENROLMENT_UNAVAILABLE)
		return false;
	relay->counters.enrolments_refused++;
	log_warn("enrolment refused", LOG_S("device", enrolment->name),
	    LOG_S("fleet", enrolment->fleet), LOG_S("from", enrolment->from),
	    LOG_S("error", answers[verdict].code));
	return false;
}
