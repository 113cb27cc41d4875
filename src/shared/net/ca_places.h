/* SPDX-License-Identifier: MIT */
/*
 * Where systems keep the certificates of the authorities that they trust, for a TLS library
 * whose own idea of that place is another system's: a static program is carried to where
 * its library was not built for. It knows files and folders, and no TLS library.
 */
#ifndef TAUPE_NET_CA_PLACES_H
#define TAUPE_NET_CA_PLACES_H

#include <stdbool.h>

/* Load what certificates there are in a file; false: none. Called once for each file. */
typedef bool (*ca_load_cb)(void *ctx, const char *file);

/*
 * Load from the first place that has any, a file or a folder of which each file is read
 * (Android names them by a hash that OpenSSL no longer looks for), and name it; NULL: there
 * are none, and the second function is the text that says so. The places are those of SSL_CERT_FILE
 * and SSL_CERT_DIR in the environment, and no others, when one of them is set; else those
 * that systems use.
 */
const char *ca_places_load(ca_load_cb load, void *ctx);
const char *ca_places_error(void);

/* The same with places of one's own; the last one is followed by NULL. */
const char *ca_places_load_from(
    const char *const *places, ca_load_cb load, void *ctx);

/* Can this file be read, or is there anything in this folder? */
bool ca_place_exists(const char *path);

#endif
