/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "relay/api/dashboard.h"

#include <stdlib.h>
#include <string.h>

#include "relay/embedded.h"

#define FOLDER "src/relay/api/dashboard/"

/* Nothing but the files themselves, and their talk with this server; nobody may frame them. */
#define POLICY                                                                 \
	"default-src 'none'; script-src 'self'; style-src 'self'; "            \
	"img-src 'self'; connect-src 'self'; form-action 'none'; "             \
	"base-uri 'none'; frame-ancestors 'none'"

static const struct {
	const char *path, *file, *type;
} pages[] = {
    {"/", FOLDER "index.html", "text/html; charset=utf-8"},
    {"/style.css", FOLDER "style.css", "text/css; charset=utf-8"},
    {"/icon.svg", FOLDER "icon.svg", "image/svg+xml"},
    {"/app.js", FOLDER "app.js", "text/javascript; charset=utf-8"},
};

static void
answer(struct http_request **request, const char *type, const char *file)
{
	const struct embedded *source = embedded_find(file);
	struct http_reply reply = {.status = 200, .type = type};

	reply.body = malloc(source->len);
	reply.len = reply.body != NULL ? source->len : 0;
	if (reply.body != NULL)
		memcpy(reply.body, source->text, source->len);
	else
		reply.status = 503;
	reply.headers[0].name = "Content-Security-Policy";
	reply.headers[0].value = POLICY;
	reply.headers[1].name = "Referrer-Policy";
	reply.headers[1].value = "no-referrer";
	http_request_answer(request, &reply);
}

bool
dashboard_answer(struct http_request **request)
{
	enum http_method method = http_request_method(*request);
	const char *path = http_request_path(*request);

	if (method != HTTP_GET && method != HTTP_HEAD)
		return false;
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		if (strcmp(path, pages[i].path) != 0)
			continue;
		answer(request, pages[i].type, pages[i].file);
		return true;
	}
	return false;
}
