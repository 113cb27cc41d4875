/* SPDX-License-Identifier: MIT */
/* The shapes of names. Each is a set of characters, two lengths and a rule on hyphens. */
#include "wire/host_name.h"

#define DNS_LABEL_MAX 63
#define PORT_MAX 65535

bool
device_name_valid(struct str name)
{
	return name.len >= 1 && name.len <= DEVICE_NAME_MAX &&
	    str_only(name, "az09AZ--..__") &&
	    str_only((struct str){name.ptr, 1}, "az09AZ");
}

#define LDH_LOWER "az09--"
#define LDH_ANY "az09--AZ"

/* Letters, digits and hyphens, no hyphen at either end. */
static bool
is_ldh(struct str s, size_t min, size_t max, const char *ranges)
{
	return s.len >= min && s.len <= max && s.ptr[0] != '-' &&
	    s.ptr[s.len - 1] != '-' && str_only(s, ranges);
}

static bool
has_double_hyphen(struct str s)
{
	for (size_t i = 1; i < s.len; i++) {
		if (s.ptr[i] == '-' && s.ptr[i - 1] == '-')
			return true;
	}
	return false;
}

static bool
is_ldh_single(struct str s, size_t min, size_t max)
{
	return is_ldh(s, min, max, LDH_LOWER) && !has_double_hyphen(s);
}

bool
service_name_valid(struct str name)
{
	return is_ldh_single(name, 1, SERVICE_NAME_MAX);
}

bool
label_valid(struct str label)
{
	return is_ldh_single(label, 3, LABEL_MAX);
}

static bool
is_domain(struct str host, const char *ranges)
{
	struct str label;
	bool more;

	if (host.len > HOST_NAME_MAX)
		return false;
	do {
		more = str_split(host, '.', &label, &host);
		if (!is_ldh(label, 1, DNS_LABEL_MAX, ranges))
			return false;
	} while (more);
	return true;
}

bool
host_name_valid(struct str host)
{
	return is_domain(host, LDH_LOWER);
}

/* "[…]" with the characters of an IPv6 address (RFC 3986 section 3.2.2) */
static bool
is_ipv6_literal(struct str s, const char *ranges)
{
	return s.len >= 4 && s.ptr[0] == '[' && s.ptr[s.len - 1] == ']' &&
	    str_only((struct str){s.ptr + 1, s.len - 2}, ranges) &&
	    memchr(s.ptr, ':', s.len) != NULL;
}

bool
host_name_any_case(struct str *host)
{
	struct str domain;

	if (is_ipv6_literal(*host, "09af::..AF")) {
		host->ptr++;
		host->len -= 2;
		return true;
	}
	domain = *host;
	if (domain.len > 0 && domain.ptr[domain.len - 1] == '.')
		domain.len--;
	return is_domain(domain, LDH_ANY);
}

bool
host_name_strip_port(struct str *host, uint16_t *port_number)
{
	struct str name, port;
	wire_number number;
	size_t bracket = 0;

	*port_number = 0;
	if (host->len > 0 && host->ptr[0] == '[') {
		while (bracket < host->len && host->ptr[bracket] != ']')
			bracket++;
	}
	port = (struct str){host->ptr + bracket, host->len - bracket};
	if (!str_split(port, ':', &name, &port))
		return true;
	host->len = bracket + name.len;
	if (port.len > 5 || !str_to_number(port, PORT_MAX, &number))
		return false;
	*port_number = (uint16_t)number;
	return number > 0;
}

bool
host_name_normalise(struct str raw, char *out, size_t cap)
{
	struct str made;
	uint16_t port;

	if (cap > 0)
		out[0] = '\0';
	if (raw.len == 0 || !host_name_strip_port(&raw, &port))
		return false;
	if (raw.len > 0 && raw.ptr[raw.len - 1] == '.' && raw.ptr[0] != '[')
		raw.len--;
	if (raw.len > HOST_NAME_MAX || !str_copy(raw, out, cap))
		return false;
	for (size_t i = 0; i < raw.len; i++) {
		if (out[i] >= 'A' && out[i] <= 'Z')
			out[i] = (char)(out[i] - 'A' + 'a');
	}
	made = (struct str){out, raw.len};
	if (host_name_valid(made) || is_ipv6_literal(made, "09af::.."))
		return true;
	out[0] = '\0';
	return false;
}

void
host_name_write(struct writer *w, struct str label, struct str service,
    bool first, struct str domain)
{
	writer_str(w, label);
	if (!first) {
		writer_str(w, STR("--"));
		writer_str(w, service);
	}
	writer_char(w, '.');
	writer_str(w, domain);
}
