/* SPDX-License-Identifier: MIT */
/*
 * Further host names that lead to a device's services, as the operator has given them: aliases
 * under the cluster's own domain, and custom domains, which are others' until they are proved. In
 * a device's record each is one pair, host/HOST → the form-encoded list that is parsed and
 * written here.
 *
 * Nothing here knows how a name is proved, or which domain is the cluster's.
 */
#ifndef TAUPE_BASE_DEVICE_HOSTS_H
#define TAUPE_BASE_DEVICE_HOSTS_H

#include "wire/host_name.h"

#define HOSTS_MAX 32	    /* of a device */
#define HOST_TOKEN_LEN 32   /* lower-case hex digits */
#define HOST_BY_MAX 60	    /* visible ASCII */
#define HOST_TEXT_MAX 512   /* bytes of its text */

enum host_proof {
	HOST_PENDING, /* it leads nowhere yet */
	HOST_TXT,     /* its TXT record had the token */
	HOST_WORD,    /* the operator has vouched for it */
	HOST_ALIAS    /* nothing to prove: it is a label under the cluster's own domain */
};

struct device_host {
	char host[HOST_NAME_MAX + 1];
	char service[SERVICE_NAME_MAX + 1];
	char by[HOST_BY_MAX + 1]; /* who has added it; "": not known */
	char token[HOST_TOKEN_LEN + 1]; /* for its TXT record; "" of an alias */
	enum host_proof proof;
	uint64_t created_ms;
	uint64_t proved_ms; /* 0 while pending */
};

/* All of a device. Shared between copies of its record, and never changed then. */
struct device_hosts {
	unsigned n_keepers;
	size_t n; /* > 0 */
	struct device_host *items;
};

/* "pending", "txt", "word", "alias" */
const char *host_proof_name(enum host_proof proof);

/* May it be a further host name? A name of two labels or more, that is no address. */
bool device_host_valid(struct str host);
/* The label that an alias takes from all devices; absent of others. */
struct str device_host_label(const struct device_host *host);

/* A host's text, with all that its proof needs. Does not touch host->host. */
bool device_host_parse(struct device_host *host, struct str text);
void device_host_write(struct writer *w, const struct device_host *host);

/* hosts may be NULL: there are none. */
struct device_hosts *device_hosts_keep(struct device_hosts *hosts);
void device_hosts_drop(struct device_hosts **hosts);
const struct device_host *device_hosts_find(
    const struct device_hosts *hosts, struct str host);
bool device_hosts_equal(
    const struct device_hosts *a, const struct device_hosts *b);

/* Put one in, in place of one of the same name. *hosts is made if it is NULL, and copied first if
 * it has another keeper. -1: no memory, or too many. */
int device_hosts_put(
    struct device_hosts **hosts, const struct device_host *host);
/* Take one out, if it is there. -1: no memory. */
int device_hosts_remove(struct device_hosts **hosts, struct str host);

#endif
