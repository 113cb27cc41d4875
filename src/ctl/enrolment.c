/* SPDX-License-Identifier: MIT */
#include "ctl/enrolment.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/wipe.h"
#include "ctl/qr.h"
#include "ctl/report.h"
#include "wire/form.h"
#include "wire/url.h"

#define URI_MAX 1024

static const char hint[] =
    "This is the device's secret, shown this once. Whoever sees the line or "
    "the code can be that device:\nno picture of it, and not into a log or a "
    "chat.\n";

/* "taupe://HOST:PORT/?name=…&secret=…"; false: it does not fit. */
static bool
write_uri(
    char out[URI_MAX], const char *relay, const char *name, const char *secret)
{
	struct writer w;
	struct url url;
	size_t used;

	if (!url_parse(str_of(relay), &url))
		return false;
	used = (size_t)snprintf(
	    out, URI_MAX, "taupe://%s/?", strstr(relay, "://") + 3);
	if (used >= URI_MAX)
		return false;
	writer_init(&w, out + used, URI_MAX - used);
	form_put(&w, "name", str_of(name));
	form_put(&w, "secret", str_of(secret));
	if (!url.secure)
		form_put(&w, "tls", STR("no"));
	if (w.full || used + writer_len(&w) >= URI_MAX)
		return false;
	out[used + writer_len(&w)] = '\0';
	return true;
}

/* echo is the shell's own: no other process sees its words. */
static int
print_uri(const char *uri, bool again)
{
	int code;

	printf("echo '%s' | sudo taupe-agent setup%s\n\n", uri,
	    again ? " --force" : "");
	code = qr_print(uri);
	fputs(hint, stderr);
	return code;
}

int
enrolment_show(const struct ctl *ctl, json_t *json, const char *relay,
    const char *name, const char *secret, bool again)
{
	char uri[URI_MAX];
	int code = EX_OK;

	if (!write_uri(uri, relay, name, secret)) {
		json_decref(json);
		return ctl_fail(EX_DATAERR, "the relay's URL is too long");
	}
	if (ctl->options.json) {
		json_object_set_new(json, "secret", json_string(secret));
		json_object_set_new(json, "uri", json_string(uri));
		code = report_json(json);
	} else {
		json_decref(json);
		code = print_uri(uri, again);
	}
	wipe(uri, sizeof(uri));
	return ctl_secret_told(code);
}
