/* SPDX-License-Identifier: MIT */
/* A server's certificate as HAProxy wants it: chain and key in one PEM file. */
#ifndef TAUPE_NET_PEM_BUNDLE_H
#define TAUPE_NET_PEM_BUNDLE_H

#include <stddef.h>
#include <stdint.h>

#define PEM_BUNDLE_MAX 65536
#define PEM_BUNDLE_ERROR_MAX 200
#define PEM_BUNDLE_NAMES_MAX 400

struct pem_bundle {
	char text[PEM_BUNDLE_MAX + 1]; /* without empty lines; a C string */
	size_t len;
	int64_t expires_s; /* wall clock; of the first certificate */
	char names[PEM_BUNDLE_NAMES_MAX]; /* "*.example.com, example.com" */
};

/* Read a file, and make sure that its key is that of its first certificate, which has not ended. -1
 * with error filled: what is wrong with it. There is a key in it: the caller wipes it in any case. */
int pem_bundle_read(const char *path, struct pem_bundle *bundle,
    char error[PEM_BUNDLE_ERROR_MAX]);

#endif
