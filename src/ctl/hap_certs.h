/* SPDX-License-Identifier: MIT */
/* The certificates of a running HAProxy, over its runtime socket. */
#ifndef TAUPE_CTL_HAP_CERTS_H
#define TAUPE_CTL_HAP_CERTS_H

#include <jansson.h>

#include "net/hap_query.h"

#define HAP_CERT_NAME_MAX 1000
#define HAP_CERT_REPLY_MAX 400

/* Ask, and keep the reply as one line, cut to its first bytes; -1 with it in reply why not. */
int hap_certs_ask(const char *socket, const char *command, uint64_t timeout_ms,
    char reply[HAP_CERT_REPLY_MAX]);

/* Whose change is under way? "": none is. -1 with error filled. */
int hap_certs_changing(const char *socket, uint64_t timeout_ms,
    char name[HAP_CERT_NAME_MAX], char error[HAP_QUERY_ERROR_MAX]);

/* Add an object for each certificate: name, names (of hosts), expires_s (0: not told), used (is it
 * shown to anybody?). -1 with error filled. */
int hap_certs_list(const char *socket, uint64_t timeout_ms, json_t *list,
    char error[HAP_QUERY_ERROR_MAX]);

/* For each that is used for a name that one before it in the list is used for, too: HAProxy shows one of
 * them alone, and that is not the newer one. */
typedef void hap_certs_rival_cb(
    void *ctx, const char *file, const char *other, const char *name);
void hap_certs_each_rival(
    const json_t *list, hap_certs_rival_cb *rival_cb, void *ctx);

#endif
