/* SPDX-License-Identifier: MIT */
/* Certificates as files for an operator's first set-up: one is made, or one at hand is judged. */
#ifndef TAUPE_NET_CERTIFICATE_H
#define TAUPE_NET_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>

struct certificate_facts {
	bool covers_host; /* is it for the host that was asked for? */
	bool self_signed;
	bool expired; /* or not valid yet */
};

/* Make a key (P-256) and a certificate that it signs itself, for the domain and all names one
 * below it, good for days: both as PEM in one text, from malloc. NULL: the library could not. */
char *certificate_make(const char *domain, int days);

/* Read the first certificate of a PEM text that has its private key in it, too. -1 with *error
 * (static) when either is missing or they do not belong together. */
int certificate_judge(const char *pem, size_t len, const char *host,
    struct certificate_facts *facts, const char **error);

#endif
