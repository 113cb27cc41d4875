/* SPDX-License-Identifier: MIT */
/*
 * Who may enrol, and whose secret may change: the decisions that both registries take. Knows no
 * storage.
 */
#ifndef TAUPE_REGISTRY_CREDENTIALS_H
#define TAUPE_REGISTRY_CREDENTIALS_H

#include "registry/registry.h"

/* fleet, device: what stands under these names; NULL: nothing. NEW: *record is what shall stand
 * for the device. *record was all zeros or a record, and ends with device_record_drop(). As long for an unknown fleet as for a wrong key. */
enum enrolment_verdict enrolment_judge(const struct enrolment *enrolment,
    const struct fleet_record *fleet, const struct device_record *device,
    uint64_t now_ms, struct device_record *record);

/* May the record change as the rotation says? OK: *changed says whether it has to be written,
 * and *record is what then; STALE: no. */
enum registry_status rotation_judge(const struct rotation *rotation,
    struct device_record *record, bool *changed);

#endif
