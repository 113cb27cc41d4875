/* SPDX-License-Identifier: MIT */
/* What is written of heads, by who answers. */
#include "wire/http_head.h"

const char *
http_status_phrase(unsigned status)
{
	static const struct {
		unsigned status;
		const char *phrase;
	} phrases[] = {
	    {101, "Switching Protocols"},
	    {200, "OK"},
	    {201, "Created"},
	    {202, "Accepted"},
	    {204, "No Content"},
	    {302, "Found"},
	    {400, "Bad Request"},
	    {401, "Unauthorized"},
	    {403, "Forbidden"},
	    {404, "Not Found"},
	    {405, "Method Not Allowed"},
	    {408, "Request Timeout"},
	    {409, "Conflict"},
	    {410, "Gone"},
	    {413, "Content Too Large"},
	    {414, "URI Too Long"},
	    {421, "Misdirected Request"},
	    {426, "Upgrade Required"},
	    {429, "Too Many Requests"},
	    {431, "Request Header Fields Too Large"},
	    {500, "Internal Server Error"},
	    {501, "Not Implemented"},
	    {502, "Bad Gateway"},
	    {503, "Service Unavailable"},
	    {504, "Gateway Timeout"},
	    {505, "HTTP Version Not Supported"},
	};

	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
		if (phrases[i].status == status)
			return phrases[i].phrase;
	}
	return "Unknown";
}

void
http_write_field(struct writer *w, const char *name, struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		/* else a value could begin a field of its own */
		if (value.ptr[i] == '\r' || value.ptr[i] == '\n' ||
		    value.ptr[i] == '\0')
			w->full = true;
	}
	writer_cstr(w, name);
	writer_str(w, STR(": "));
	writer_str(w, value);
	writer_str(w, STR("\r\n"));
}
