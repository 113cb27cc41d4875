/* SPDX-License-Identifier: MIT */
/*
 * A certificate of our own, its chain and its private key, from PEM files. What a library reads
 * from a file by itself stays in the buffers of stdio, and the key may be in the file of the
 * certificate: both are read here, and wiped.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error_text.h"
#include "base/private_file.h"
#include "base/wipe.h"
#include "net/crypto_memory.h"
#include "net/tls_internal.h"
#include "net/tls_library.h"

#define PEM_MAX (1u << 18) /* bytes of a file */

/* Hand a file's text to a step: NULL, or what is wrong. */
static const char *
with_text(void *trust, const char *option, const char *file,
    const char *(*step)(void *trust, const char *pem, size_t len))
{
	const char *why = "out of memory";
	char *text = malloc(PEM_MAX);
	long len;

	if (text == NULL)
		return why;
	if ((len = private_file_read(option, file, text, PEM_MAX)) < 0)
		why = error_text(errno);
	else if (len == PEM_MAX - 1)
		why = "it is too long";
	else
		why = step(trust, text, (size_t)len);
	wipe(text, len > 0 ? (size_t)len : 0);
	free(text);
	return why;
}

int
tls_certificate_load(void *trust, const char *certificate, const char *key)
{
	const char *why;
	bool has_key = key == NULL;

	if (has_key)
		key = certificate;
	crypto_memory_wipe(true);
	why = with_text(trust, has_key ? "tls_certificate" : NULL, certificate,
	    tls_library_use_chain);
	if (why != NULL)
		tls_context_explain("a certificate", certificate, why);
	else if ((why = with_text(trust, has_key ? NULL : "tls_key", key,
		      tls_library_use_key)) != NULL)
		tls_context_explain("the certificate's private key", key, why);
	crypto_memory_wipe(false);
	return why == NULL ? 0 : -1;
}
