/* SPDX-License-Identifier: MIT */
/*
 * The same fields as those that haproxy/haproxy.cfg deletes and sets. An underscore counts as a
 * hyphen: to a CGI program, and all that came from it, the two make one name.
 */
#include "wire/http_forward.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char
fold(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c + ('a' - 'A'));
	return c == '_' ? '-' : c;
}

/* Does name begin with what is in lower case? */
static bool
begins_with(struct str name, const char *text)
{
	size_t i;

	for (i = 0; text[i] != '\0'; i++)
		if (i == name.len || fold(name.ptr[i]) != text[i])
			return false;
	return true;
}

static bool
is_folded(struct str name, const char *text)
{
	return name.len == strlen(text) && begins_with(name, text);
}

/* Is it ours alone to say? */
static bool
is_claim(struct str name)
{
	char first = name.len > 0 ? fold(name.ptr[0]) : '\0';

	if (first == 'f')
		return is_folded(name, "forwarded");
	return first == 'x' &&
	    (begins_with(name, "x-forwarded-") ||
		is_folded(name, "x-real-ip") ||
		is_folded(name, "x-taupe-client-certificate"));
}

static void
write_field(struct writer *w, struct str name, struct str value)
{
	char *at = writer_reserve(w, name.len + value.len + 4);

	if (at == NULL)
		return;
	memcpy(at, name.ptr, name.len);
	at += name.len;
	*at++ = ':';
	*at++ = ' ';
	if (value.len > 0)
		memcpy(at, value.ptr, value.len);
	at += value.len;
	*at++ = '\r';
	*at = '\n';
}

/* Other members would name fields that are meant for us, or that a lenient server would then leave
 * out (RFC 9110 section 7.6.1). */
static void
write_connection(
    const struct http_head *head, bool upgrades, struct writer *w)
{
	static const char *const members[] = {"close", "keep-alive", "upgrade"};
	size_t n = upgrades ? COUNT(members) : COUNT(members) - 1;
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (!http_list_has(head, "Connection", members[i]))
			continue;
		writer_cstr(w, any ? ", " : "Connection: ");
		writer_cstr(w, members[i]);
		any = true;
	}
	if (any)
		writer_str(w, STR("\r\n"));
}

static void
write_kept(const struct http_head *head, bool claims, bool upgrades,
    struct writer *w)
{
	for (size_t i = 0; i < head->n_fields; i++) {
		struct str name = head->fields[i].name;

		if (name.ptr == NULL || (!claims && is_claim(name)) ||
		    str_is_nocase(name, "Connection") ||
		    (!upgrades && str_is_nocase(name, "Upgrade")))
			continue;
		write_field(w, name, head->fields[i].value);
	}
}

struct str
http_forwarded_for(const struct http_head *head)
{
	struct str last = {NULL, 0}, before, rest;

	for (size_t i = 0; i < head->n_fields; i++)
		if (str_is_nocase(head->fields[i].name, "X-Forwarded-For"))
			last = head->fields[i].value;
	while (str_split(last, ',', &before, &rest))
		last = rest;
	return str_trim(last);
}

static void
write_claim(const struct http_head *head, const struct http_forward *forward,
    const char *name, struct str value, struct writer *w)
{
	if (!forward->trusted || http_field_count(head, name) == 0)
		write_field(w, str_of(name), value);
}

void
http_forward_head(const struct http_head *head,
    const struct http_forward *forward, struct writer *w)
{
	writer_str(w, head->method);
	writer_char(w, ' ');
	writer_str(w, head->target);
	writer_cstr(w, head->minor == 0 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
	write_kept(head, forward->trusted, forward->upgrades, w);
	write_connection(head, forward->upgrades, w);
	write_claim(head, forward, "X-Forwarded-For", forward->from, w);
	write_claim(head, forward, "X-Forwarded-Proto", forward->scheme, w);
	write_claim(head, forward, "X-Forwarded-Host",
	    http_field_get(head, "Host"), w);
	writer_str(w, STR("\r\n"));
}

void
http_forward_trailers(const struct http_head *trailers, struct writer *w)
{
	write_kept(trailers, false, false, w);
	writer_str(w, STR("\r\n"));
}
