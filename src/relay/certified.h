/* SPDX-License-Identifier: MIT */
/*
 * Agents that show a certificate: to us, or to a proxy in front that hands it on. It is
 * as good as the device's secret.
 */
#ifndef TAUPE_RELAY_CERTIFIED_H
#define TAUPE_RELAY_CERTIFIED_H

#include "relay/upgrade.h"

/* Ask agents for certificates, as the options say. -1: *error is a text for people. */
int certified_ask(const struct relay_options *options,
    struct tls_context *context, const char **error);
/* Find whose certificate came with the request; sets upgrade->certificate and ->certified. */
void certified_find(struct upgrade *upgrade, const struct http_head *head);
/* May this request be one of that device? NULL, or why not; then it was logged. */
const char *certified_check(const struct upgrade *upgrade, const char *name);

#endif
