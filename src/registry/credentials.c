/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "net/crypto.h"
#include "registry/credentials.h"

enum enrolment_verdict
enrolment_judge(const struct enrolment *enrolment,
    const struct fleet_record *fleet, const struct device_record *device,
    uint64_t now_ms, struct device_record *record)
{
	static const uint8_t nobodys[SECRET_HASH_LEN];
	bool right = crypto_equal(enrolment->key_sha256,
	    fleet != NULL ? fleet->key_sha256 : nobodys, SECRET_HASH_LEN);

	if (fleet == NULL || !right)
		return ENROLMENT_BAD_KEY;
	/* who is in already is only told so: its welcome was lost, or it was sent here */
	if (device != NULL &&
	    crypto_equal(device->secret_sha256, enrolment->secret_sha256,
		SECRET_HASH_LEN)) {
		device_record_copy(record, device);
		return ENROLMENT_KNOWN;
	}
	if (fleet->expires_ms != 0 && fleet->expires_ms <= now_ms)
		return ENROLMENT_EXPIRED;
	if (device != NULL)
		return ENROLMENT_NAME_TAKEN;
	if (!fleet_pattern_fits(fleet->pattern, enrolment->name))
		return ENROLMENT_NAME_REFUSED;
	if (fleet->max != 0 && fleet->used >= fleet->max)
		return ENROLMENT_FULL;
	device_record_drop(record);
	*record = (struct device_record){0};
	memcpy(record->name, enrolment->name, sizeof(record->name));
	memcpy(record->fleet, fleet->name, sizeof(record->fleet));
	memcpy(
	    record->secret_sha256, enrolment->secret_sha256, SECRET_HASH_LEN);
	return ENROLMENT_NEW;
}

enum registry_status
rotation_judge(const struct rotation *rotation, struct device_record *record,
    bool *changed)
{
	bool wanted = device_record_wants_rotation(record);
	bool is_old = crypto_equal(
	    record->secret_sha256, rotation->old_sha256, SECRET_HASH_LEN);
	bool is_new = crypto_equal(
	    record->secret_sha256, rotation->new_sha256, SECRET_HASH_LEN);

	*changed = false;
	if (rotation->error[0] == '\0' && is_new && !wanted)
		return REGISTRY_OK; /* done before: the answer was lost */
	if (!wanted || !is_old)
		return REGISTRY_STALE;
	*changed = true;
	memcpy(record->rotation, rotation->error, sizeof(record->rotation));
	if (rotation->error[0] == '\0')
		memcpy(record->secret_sha256, rotation->new_sha256,
		    SECRET_HASH_LEN);
	return REGISTRY_OK;
}
