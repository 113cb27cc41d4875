/* SPDX-License-Identifier: MIT */
/*
 * How an agent gets in: who it is, whether this is the right relay for it, its name (and,
 * if that is held, whether the holder lives), its listeners and routes, and then 101.
 */
#ifndef TAUPE_RELAY_ADMISSION_H
#define TAUPE_RELAY_ADMISSION_H

#include "relay/upgrade.h"

void admissions_init(struct relay *relay);
/* Begin; takes the upgrade. The head is read during the call only. */
void admission_start(struct upgrade *upgrade, struct http_head *head);

/* News from the registry, for those that wait for the answer to a probe, and for those whose
 * device was changed while they were on their way. */
void admissions_notice(struct relay *relay, const struct registry_event *event);
/* Drop all (at the end of the process). */
void admissions_free_all(struct relay *relay);

#endif
