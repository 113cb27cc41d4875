/* SPDX-License-Identifier: MIT */
/* Bodies, and the heads around them. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "relay/page.h"
#include "wire/http_head.h"

#define PAGE_BYTES_MAX (256 * 1024)

#define BUILT_IN(title, text)                                                  \
	"<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n"        \
	"<meta name=\"viewport\" content=\"width=device-width, "               \
	"initial-scale=1\">\n"                                                 \
	"<title>" title "</title>\n"                                           \
	"<style>body{font:1.1em/1.5 "                                          \
	"system-ui,sans-serif;color:#333;background:#f6f4f1;"                  \
	"margin:0;display:grid;min-height:100vh;place-items:center}"           \
	"main{max-width:32em;padding:2em}h1{font-size:1.4em;margin:0 0 .5em}"  \
	"p{margin:.5em 0}</style>\n"                                           \
	"<main><h1>" title "</h1>" text "</main>\n"

static const struct {
	unsigned status;
	const char *file;
	const char *body;
	const char *field; /* one more of the head, or NULL */
} kinds[PAGE_COUNT] = {
    [PAGE_UNKNOWN] = {404, "404.html",
	BUILT_IN("No device has this name",
	    "<p>Nothing answers under this address. Check the name for a "
	    "typing error; if the "
	    "device was away for long, it may have been given a new one.</p>")},
    [PAGE_REFUSED] = {502, "502.html",
	BUILT_IN("The device did not answer",
	    "<p>The device is connected, but the service behind this address "
	    "refused the "
	    "connection. It may be starting: try again in a moment.</p>")},
    [PAGE_CONSENT] = {403, "consent.html",
	BUILT_IN("The device\'s owner has not allowed this now",
	    "<p>Whoever has the device behind this address decides there when "
	    "it may be visited. Ask them to allow it, then load this page "
	    "again.</p>")},
    [PAGE_DOWN] = {503, "down.html",
	BUILT_IN("The service behind this device is down",
	    "<p>The device is connected, and has found that the service behind "
	    "this address does not work at the moment. It goes on to look: try "
	    "again in a minute.</p>")},
    [PAGE_OFFLINE] = {503, "503.html",
	BUILT_IN("The device is offline",
	    "<p>The device behind this address is not connected at the moment. "
	    "It keeps its "
	    "address: try again when it is back.</p>")},
    [PAGE_BUSY] = {503, "busy.html",
	BUILT_IN("The device is busy",
	    "<p>More visitors want something of the device behind this address "
	    "than it may "
	    "serve. Try again in a moment.</p>")},
    [PAGE_CROWD] = {429, "429.html",
	BUILT_IN("Too many connections",
	    "<p>More connections come from your network than are served at "
	    "once. Try again in a moment.</p>")},
    [PAGE_LOGIN] = {401, "401.html",
	BUILT_IN("A password is needed",
	    "<p>The service behind this address asks for a name and a "
	    "password. Load the page again to enter them; if you have none, "
	    "ask who runs the device.</p>"),
	"WWW-Authenticate: Basic realm=\"taupe\", charset=\"UTF-8\"\r\n"},
    [PAGE_NOT_FROM_HERE] = {403, "403.html",
	BUILT_IN("Not from your network",
	    "<p>The service behind this address may be reached from certain "
	    "networks only, and yours is none of them. Use one that is "
	    "allowed, or ask who runs the device for a share link.</p>")},
    [PAGE_NO_LINK] = {403, "link.html",
	BUILT_IN("This needs a share link",
	    "<p>The service behind this address may be visited by share link "
	    "only. A link that does not work any more has expired, was "
	    "revoked, is not whole, or is for something else: ask who gave "
	    "it to you for a new one.</p>")},
    [PAGE_GUESSES] = {429, "guesses.html",
	BUILT_IN("Too many wrong passwords",
	    "<p>Too many wrong passwords have come from your network, so that "
	    "none is looked at now. Try again in a minute.</p>")},
    [PAGE_QUOTA_DAY] = {503, "quota-day.html",
	BUILT_IN("The device has used up its traffic for today",
	    "<p>The device behind this address may move so much a day, and "
	    "has. It can be visited again from midnight, UTC.</p>")},
    [PAGE_QUOTA_MONTH] = {503, "quota-month.html",
	BUILT_IN("The device has used up its traffic for this month",
	    "<p>The device behind this address may move so much a month, and "
	    "has. It can be visited again from the first of the next month, "
	    "UTC.</p>")},
};

/* What an agent says letter for letter (docs/PROTOCOL.md section 5.2); all else is for people. */
enum page
page_of_refusal(struct str reason)
{
	if (str_is(reason, "no consent"))
		return PAGE_CONSENT;
	return str_is(reason, "service down") ? PAGE_DOWN : PAGE_REFUSED;
}

/* 0 and *body NULL when there is no such file. */
static int
read_page(const char *dir, const char *name, char **body)
{
	char path[4200];
	FILE *file;
	size_t len;

	*body = NULL;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if ((file = fopen(path, "rbe")) == NULL) {
		if (errno == ENOENT)
			return 0;
		log_error("cannot read page", LOG_S("file", path),
		    LOG_S("error", log_errno()));
		return -1;
	}
	if ((*body = malloc(PAGE_BYTES_MAX + 2)) == NULL) {
		fclose(file);
		return -1;
	}
	len = fread(*body, 1, PAGE_BYTES_MAX + 1, file);
	if (ferror(file) || len > PAGE_BYTES_MAX) {
		log_error("page is unreadable or larger than 256 KiB",
		    LOG_S("file", path));
		free(*body);
		*body = NULL;
		fclose(file);
		return -1;
	}
	(*body)[len] = '\0';
	fclose(file);
	return 0;
}

int
pages_load(struct pages *pages, const char *dir)
{
	struct pages fresh = {{NULL}};
	size_t i;

	for (i = 0; i < PAGE_COUNT && dir != NULL; i++)
		if (read_page(dir, kinds[i].file, &fresh.body[i]) != 0) {
			pages_free(&fresh);
			return -1;
		}
	pages_free(pages);
	*pages = fresh;
	return 0;
}

void
pages_free(struct pages *pages)
{
	size_t i;

	for (i = 0; i < PAGE_COUNT; i++) {
		free(pages->body[i]);
		pages->body[i] = NULL;
	}
}

void
page_write(const struct pages *pages, enum page page, unsigned retry_after_s,
    bool body, struct conn *conn)
{
	const char *text =
	    pages->body[page] != NULL ? pages->body[page] : kinds[page].body;
	struct writer w;
	char head[512];

	writer_init(&w, head, sizeof(head));
	writer_cstr(&w, "HTTP/1.1 ");
	writer_u64(&w, kinds[page].status);
	writer_cstr(&w, " ");
	writer_cstr(&w, http_status_phrase(kinds[page].status));
	writer_cstr(&w,
	    "\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: "
	    "no-store\r\n"
	    "Connection: close\r\nContent-Length: ");
	writer_u64(&w, strlen(text));
	if (retry_after_s > 0) {
		writer_cstr(&w, "\r\nRetry-After: ");
		writer_u64(&w, retry_after_s);
	}
	writer_cstr(&w, "\r\n");
	if (kinds[page].field != NULL)
		writer_cstr(&w, kinds[page].field);
	writer_cstr(&w, "\r\n");
	if (conn_write(conn, head, writer_len(&w)) == 0 && body)
		(void)conn_write(conn, text, strlen(text));
}
