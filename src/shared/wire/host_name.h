/* SPDX-License-Identifier: MIT */
/*
 * Names and their shapes: which device, service and label names exist, how a host name
 * of a service is made of them, and how a Host field or SNI becomes a key.
 */
#ifndef TAUPE_WIRE_HOST_NAME_H
#define TAUPE_WIRE_HOST_NAME_H

#include "wire/cursor.h"

#define DEVICE_NAME_MAX 63
#define SERVICE_NAME_MAX 20
#define LABEL_MAX 40
#define HOST_NAME_MAX 253

/* 1..63 of [A-Za-z0-9._-], the first a letter or digit. */
bool device_name_valid(struct str name);
/* 1..20 of [a-z0-9-], no hyphen at either end, no two hyphens in a row. */
bool service_name_valid(struct str name);
/* 3..40 of [a-z0-9-], no hyphen at either end, no two in a row: "--" divides a label
 * from a service, and two letters before it would make an IDNA prefix (RFC 5891). */
bool label_valid(struct str label);
/* A domain name of letter-digit-hyphen labels (RFC 1123 section 2.1), lower case, up
 * to 253 characters, no dot at the end. A single label ("localhost") is fine. */
bool host_name_valid(struct str host);

/* Take ":port" off the end of *host, a name or an address, IPv6 in brackets; *port is 0 when there
 * was none. False: what is there is no port. */
bool host_name_strip_port(struct str *host, uint16_t *port);

/* Is it a domain name in any case, perhaps with a dot at its end, or an IPv6 literal? The
 * brackets of that are taken off. */
bool host_name_any_case(struct str *host);

/*
 * Make the key of a Host field or SNI: lower case, without port and without one dot at
 * the end. An IPv6 literal keeps its brackets. False when it is no host name at all
 * (empty, over-long, strange bytes, a port that is none) or cap is too small; out is
 * then "". HOST_NAME_MAX + 1 is always enough. out is terminated.
 */
bool host_name_normalise(struct str raw, char *out, size_t cap);

/*
 * Write the host name of a service: "label.domain" for the device's first service,
 * "label--service.domain" for the others.
 */
void host_name_write(struct writer *w, struct str label, struct str service, bool first,
    struct str domain);

#endif
