/* SPDX-License-Identifier: MIT */
/*
 * What a request to enrol says, and what it is answered: between the handshake, which knows no
 * fleets, and the registry, which knows no HTTP.
 */
#ifndef TAUPE_RELAY_ENROL_H
#define TAUPE_RELAY_ENROL_H

#include "relay/upgrade.h"

/* Read it: the key is the bearer, the secret's hash a parameter. False: that is no enrolment
 * key; *error is what to answer. */
bool enrol_read(const struct http_head *head,
    const struct control_params *params, const char *from,
    struct enrolment *enrolment, struct upgrade_error *error);
/* Count and log what the registry has said. False: *error is what to answer. */
bool enrol_judged(struct relay *relay, const struct enrolment *enrolment,
    enum enrolment_verdict verdict, struct upgrade_error *error);

/* What to answer to a verdict that lets nobody in; false: it does. */
bool enrol_error(enum enrolment_verdict verdict, struct upgrade_error *error);

#endif
