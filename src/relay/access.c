/* SPDX-License-Identifier: MIT */
/* Asking the rule; each mode by itself, and the share link for all of them. */
#include "config.h"

#include <stdlib.h>

#include "base/log.h"
#include "net/crypto.h"
#include "relay/access.h"
#include "relay/share_link.h"
#include "relay/sources.h"

#define CREDENTIALS_MAX 512 /* bytes of "USER:PASSWORD" */

static const struct access_rule *
rule_of(const struct service *service)
{
	return access_rule_of(service->device->access, str_of(service->name));
}

bool
access_is_public(const struct service *service)
{
	return service->device->access_known && rule_of(service) == NULL;
}

const char *
access_mode_of(const struct service *service)
{
	const struct access_rule *rule = rule_of(service);

	if (!service->device->access_known)
		return "unknown";
	return access_mode_name(rule != NULL ? rule->mode : ACCESS_PUBLIC);
}

bool
device_access_set(struct device *device, struct access *access)
{
	struct access *before = device->access;
	bool changed =
	    !device->access_known || !access_equal(before, access);

	device->access = access_keep(access);
	device->access_known = true;
	access_drop(&before);
	return changed;
}

bool
device_access_forget(struct device *device)
{
	bool known = device->access_known;

	access_drop(&device->access);
	device->access_known = false;
	return known;
}

/* Cookies. */

/* The next pair of a Cookie field's value (RFC 6265 section 4.2.1). */
static bool
next_cookie(struct str *list, struct str *piece, struct str *name,
    struct str *value)
{
	if (list->len == 0)
		return false;
	str_split(*list, ';', piece, list);
	if (!str_split(*piece, '=', name, value))
		*value = (struct str){0};
	*name = str_trim(*name);
	*value = str_trim(*value);
	return true;
}

static bool
begins_with_ours(const char *at, size_t len)
{
	return len >= sizeof(ACCESS_COOKIE) - 1 &&
	    memcmp(at, ACCESS_COOKIE, sizeof(ACCESS_COOKIE) - 1) == 0;
}

/* Does a Cookie field name ours where not everybody reads it alike: behind a comma or a quotation mark,
 * or with one in its value? A proxy takes these for delimiters. */
static bool
is_murky(struct str text)
{
	bool mark = false, ours = false;

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == ';')
			ours = false;
		else if (text.ptr[i] == ',' || text.ptr[i] == '"')
			mark = true;
		else if (begins_with_ours(text.ptr + i, text.len - i))
			ours = true;
		if (mark && ours)
			return true;
	}
	return false;
}

/* The only one of that name; absent when there is none, or more than one: who knows which of them
 * another would take. */
static struct str
find_cookie(const struct http_head *head, const char *wanted)
{
	struct str found = {0}, list, piece, name, value;
	unsigned n = 0;

	for (size_t i = 0; i < head->n_fields; i++) {
		if (!str_is_nocase(head->fields[i].name, "Cookie"))
			continue;
		list = head->fields[i].value;
		if (is_murky(list))
			return (struct str){0};
		while (next_cookie(&list, &piece, &name, &value))
			if (str_is(name, wanted)) {
				found = value;
				n++;
			}
	}
	return n == 1 ? found : (struct str){0};
}

/* Does the cookie let the visitor in? */
static bool
is_visit(const struct service *service, struct str cookie, uint64_t now_ms)
{
	struct share_token token;

	return cookie.len > 0 &&
	    share_link_check(service->device->access, service->device->name,
		service->name, SHARE_VISIT, cookie, now_ms,
		&token) == SHARE_GOOD;
}

/* A password (RFC 7617). */

static bool
is_right(const struct access_rule *rule, const uint8_t *credentials, size_t len)
{
	uint8_t mac[SHA256_LEN];

	crypto_hmac_sha256(
	    rule->salt, sizeof(rule->salt), credentials, len, mac);
	return crypto_equal(mac, rule->hash, sizeof(mac));
}

/* Who has guessed too often is not told, even of the right one. */
static enum access_verdict
guess(struct relay *relay, const struct access_rule *rule,
    const struct address *from, const uint8_t *credentials, size_t len)
{
	unsigned a_minute = (unsigned)relay->options.source_guesses, unsaid;
	uint64_t now_ms = loop_now_ms(relay->loop);
	char text[ADDRESS_TEXT_MAX];

	if (a_minute > 0 &&
	    !guesses_may(&relay->guesses, a_minute, from, now_ms, &unsaid)) {
		limit_hit(&relay->hits, LIMIT_SOURCE_GUESSES,
		    address_ip_text(from, text), now_ms);
		return ACCESS_GUESSES;
	}
	if (!is_right(rule, credentials, len))
		return ACCESS_LOGIN;
	if (a_minute > 0)
		guesses_was_right(&relay->guesses, a_minute, from, now_ms);
	return ACCESS_GRANTED;
}

/* Each may keep out the others, so the operator should hear of it: once. */
static void
hint_at_nameless(struct relay *relay, const struct address *proxy)
{
	char text[ADDRESS_TEXT_MAX];

	if (relay->nameless_told)
		return;
	relay->nameless_told = true;
	log_warn("visitors whom a proxy does not name are one source of wrong "
		 "passwords",
	    LOG_S("proxy", address_ip_text(proxy, text)),
	    LOG_S("hint", "have it say X-Forwarded-For"));
}

static enum access_verdict
by_password(struct relay *relay, const struct access_rule *rule,
    const struct http_head *head, const struct address *from,
    const struct address *peer)
{
	struct str given = http_field_get(head, "Authorization"), scheme, text;
	uint8_t credentials[CREDENTIALS_MAX];
	enum access_verdict verdict;
	long len;

	if (!str_split(given, ' ', &scheme, &text) ||
	    !str_is_nocase(scheme, "Basic"))
		return ACCESS_LOGIN;
	text = str_trim(text);
	len = crypto_base64_decode(
	    text.ptr, text.len, credentials, sizeof(credentials));
	if (len < 0)
		return ACCESS_LOGIN;
	verdict = guess(
	    relay, rule, from->len > 0 ? from : peer, credentials, (size_t)len);
	if (verdict == ACCESS_GUESSES && from->len == 0)
		hint_at_nameless(relay, peer);
	crypto_wipe(credentials, sizeof(credentials));
	return verdict;
}

/* An address. */

/* IPv4 that comes mapped into IPv6 (RFC 4291 section 2.5.5.2) is IPv4. */
static const uint8_t *
ip_of(const struct address *from, size_t *len)
{
	const uint8_t *ip = (const uint8_t *)&from->in6.sin6_addr;

	*len = 0;
	if (from->len == 0)
		return ip;
	if (from->sa.sa_family == AF_INET) {
		*len = 4;
		return (const uint8_t *)&from->in.sin_addr;
	}
	if (from->sa.sa_family != AF_INET6)
		return ip;
	*len = IN6_IS_ADDR_V4MAPPED(&from->in6.sin6_addr) ? 4 : 16;
	return *len == 4 ? ip + 12 : ip;
}

static bool
is_listed(const struct access_rule *rule, const struct address *from)
{
	size_t len;
	const uint8_t *ip = ip_of(from, &len);

	for (size_t i = 0; len > 0 && i < rule->n_nets; i++)
		if (access_net_has(&rule->nets[i], ip, len))
			return true;
	return false;
}

/* Verdicts. */

/* Without a password. */
static enum access_verdict
by_mode(const struct access_rule *rule, const struct address *from)
{
	switch (rule->mode) {
	case ACCESS_PUBLIC:
		return ACCESS_GRANTED;
	case ACCESS_PASSWORD:
		return ACCESS_LOGIN;
	case ACCESS_ALLOW:
		return is_listed(rule, from) ? ACCESS_GRANTED
					     : ACCESS_NOT_FROM_HERE;
	case ACCESS_PRIVATE:
		break;
	}
	return ACCESS_NO_LINK;
}

enum access_verdict
access_check_request(const struct service *service,
    const struct http_head *head, bool https, const struct address *from,
    const struct address *peer, uint64_t now_ms)
{
	const struct access_rule *rule;

	if (!service->device->access_known)
		return ACCESS_NOT_KNOWN;
	if ((rule = rule_of(service)) == NULL)
		return ACCESS_GRANTED;
	if (is_visit(service,
		find_cookie(
		    head, https ? ACCESS_COOKIE_HTTPS : ACCESS_COOKIE),
		now_ms))
		return ACCESS_GRANTED;
	return rule->mode == ACCESS_PASSWORD
	    ? by_password(service->device->relay, rule, head, from, peer)
	    : by_mode(rule, from);
}

enum access_verdict
access_check_address(
    const struct service *service, const struct address *from)
{
	const struct access_rule *rule;

	if (!service->device->access_known)
		return ACCESS_NOT_KNOWN;
	rule = rule_of(service);
	return rule == NULL ? ACCESS_GRANTED : access_check_rule(rule, from);
}

enum access_verdict
access_check_rule(const struct access_rule *rule, const struct address *from)
{
	return by_mode(rule, from);
}

/* Does one of the other relays announce itself with this address? */
static bool
is_other_relay(struct relay *relay, const struct address *peer)
{
	char ip[ADDRESS_TEXT_MAX], theirs[ADDRESS_TEXT_MAX];
	const struct relay_info *relays;
	size_t n = relay->registry->ops->relays(relay->registry, &relays);
	struct address address;

	address_ip_text(peer, ip);
	for (size_t i = 0; i < n; i++)
		if (strcmp(relays[i].id, relay->self.id) != 0 &&
		    address_parse(str_of(relays[i].address), &address) &&
		    strcmp(address_ip_text(&address, theirs), ip) == 0)
			return true;
	return false;
}

enum access_verdict
access_check_peer(const struct service *service, const struct address *peer)
{
	struct relay *relay = service->device->relay;

	if (access_is_public(service) ||
	    sources_trusts(relay->sources, peer) || is_other_relay(relay, peer))
		return ACCESS_GRANTED;
	/* requests are not looked at here */
	return service->kind == SERVICE_HTTP ? ACCESS_NOT_FROM_HERE
					     : access_check_address(service, peer);
}

enum page
access_page(enum access_verdict verdict)
{
	switch (verdict) {
	case ACCESS_LOGIN:
		return PAGE_LOGIN;
	case ACCESS_NOT_FROM_HERE:
		return PAGE_NOT_FROM_HERE;
	case ACCESS_NO_LINK:
		return PAGE_NO_LINK;
	case ACCESS_GUESSES:
		return PAGE_GUESSES;
	case ACCESS_GRANTED:
	case ACCESS_NOT_KNOWN:
		break;
	}
	return PAGE_OFFLINE;
}

/* What the device gets. */

static struct str
without_ours(struct str list, char *room, size_t cap)
{
	struct str piece, name, value;
	struct writer w;

	writer_init(&w, room, cap);
	while (next_cookie(&list, &piece, &name, &value)) {
		if (str_is(name, ACCESS_COOKIE) ||
		    str_is(name, ACCESS_COOKIE_HTTPS))
			continue;
		if (writer_len(&w) > 0)
			writer_char(&w, ';');
		else
			piece = str_trim(piece);
		writer_str(&w, piece);
	}
	return (struct str){room, writer_len(&w)};
}

static bool
names_ours(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (begins_with_ours(text.ptr + i, text.len - i))
			return true;
	return false;
}

bool
access_field_for_device(const struct service *service,
    const struct http_field *field, char *room, size_t cap, struct str *value)
{
	const struct access_rule *rule = rule_of(service);

	*value = field->value;
	if (rule == NULL)
		return true;
	if (str_is_nocase(field->name, "Authorization"))
		return rule->mode != ACCESS_PASSWORD;
	if (!str_is_nocase(field->name, "Cookie"))
		return true;
	*value = without_ours(field->value, room, cap);
	/* what is ours still is where only others would find it */
	return value->len > 0 && !names_ours(*value);
}
