/* SPDX-License-Identifier: MIT */
/* A URL is checked here and not in the options table: that would repeat it, and there may
 * be a password in it. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "net/proxy.h"
#include "net/secret_file.h"
#include "base/log.h"
#include "net/address.h"
#include "net/crypto.h"
#include "wire/url.h"

#define SCHEME "http://"

/* ---- one proxy ---- */

static int
hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *found = c != '\0' ? strchr(digits, c) : NULL;

	return found != NULL ? (int)(found - digits) % 16 : -1;
}

/* Undo the escapes (RFC 3986 section 2.1); no control characters (RFC 7617 section 2). */
static void
write_unescaped(struct writer *w, struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		int high, low;

		if (c == '%') {
			high =
			    i + 2 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
			low = high >= 0 ? hex_digit(text.ptr[i + 2]) : -1;
			c = low >= 0 ? (char)(high << 4 | low) : '\0';
			i += 2;
		}
		if ((unsigned char)c < 0x20 || c == 0x7f)
			w->full = true;
		writer_char(w, c);
	}
}

/* "user" or "user:password" */
static bool
take_credentials(struct str text, struct proxy *proxy)
{
	struct str user, password;
	struct writer w;
	bool right;

	/* room for the colon that end_user() may add, and the NUL */
	writer_init(&w, proxy->credentials, sizeof(proxy->credentials) - 2);
	(void)str_split(text, ':', &user, &password);
	write_unescaped(&w, user);
	/* the first colon is where the password begins */
	right = user.len > 0 && memchr(w.start, ':', writer_len(&w)) == NULL;
	if (password.ptr != NULL) {
		writer_char(&w, ':');
		write_unescaped(&w, password);
	}
	*w.at = '\0';
	return right && !w.full;
}

/* Split "http://user:password@host:port/" at its '@', which a password may have, too. */
static bool
split_user(struct str text, struct str *user, struct str *place)
{
	size_t end = 0, at = 0;

	while (end < text.len && text.ptr[end] != '/')
		end++;
	for (at = end; at > 0 && text.ptr[at - 1] != '@'; at--)
		;
	*place = (struct str){text.ptr + at, text.len - at};
	*user = (struct str){text.ptr, at > 0 ? at - 1 : 0};
	return at > 0;
}

bool
proxy_parse(const char *text, struct proxy *proxy)
{
	struct str user, place;
	char bare[URL_MAX + sizeof(SCHEME)];
	struct url url;
	bool has_user;

	memset(proxy, 0, sizeof(*proxy));
	if (strncmp(text, SCHEME, strlen(SCHEME)) != 0)
		return false;
	has_user = split_user(str_of(text + strlen(SCHEME)), &user, &place);
	if (place.len > URL_MAX)
		return false;
	snprintf(bare, sizeof(bare), SCHEME "%.*s", STR_ARG(place));
	if (!url_parse(str_of(bare), &url) || url.query.ptr != NULL ||
	    (url.path.ptr != NULL && !str_equal(url.path, STR("/"))) ||
	    !str_copy(url.host, proxy->host, sizeof(proxy->host)) ||
	    (has_user && !take_credentials(user, proxy))) {
		crypto_wipe(proxy, sizeof(*proxy));
		return false;
	}
	proxy->port = url.port;
	return true;
}

bool
proxy_password_shows(int argc, char **argv)
{
	struct str user, place;

	for (int i = 1; i < argc; i++) {
		const char *url = strstr(argv[i], SCHEME);

		if (url != NULL &&
		    split_user(str_of(url + strlen(SCHEME)), &user, &place) &&
		    memchr(user.ptr, ':', user.len) != NULL)
			return true;
	}
	return false;
}

/* ---- who needs none ---- */

/* Is the address in "10.0.0.0/8" or "fd00::/8"? */
static bool
is_in_network(struct str network, const struct address *address)
{
	struct str base, bits_text;
	struct address wanted;
	const uint8_t *a, *b;
	uint64_t bits;
	size_t size;

	if (!str_split(network, '/', &base, &bits_text) ||
	    !address_parse_ip(base, 0, &wanted) ||
	    wanted.sa.sa_family != address->sa.sa_family)
		return false;
	if (wanted.sa.sa_family == AF_INET) {
		a = (const uint8_t *)&wanted.in.sin_addr;
		b = (const uint8_t *)&address->in.sin_addr;
		size = 4;
	} else {
		a = (const uint8_t *)&wanted.in6.sin6_addr;
		b = (const uint8_t *)&address->in6.sin6_addr;
		size = 16;
	}
	if (!str_to_number(bits_text, size * 8, &bits) ||
	    memcmp(a, b, bits / 8) != 0)
		return false;
	return bits % 8 == 0 ||
	    ((a[bits / 8] ^ b[bits / 8]) >> (8 - bits % 8)) == 0;
}

/* The domain itself, or a name below it. */
static bool
is_below(struct str host, struct str domain)
{
	struct str tail;

	if (domain.len > 0 && domain.ptr[0] == '.')
		domain = (struct str){domain.ptr + 1, domain.len - 1};
	if (domain.len == 0 || domain.len > host.len)
		return false;
	tail = (struct str){host.ptr + host.len - domain.len, domain.len};
	return str_equal_nocase(tail, domain) &&
	    (tail.ptr == host.ptr || tail.ptr[-1] == '.');
}

/* Cut ":port" off; false: it is another port. An IPv6 address without brackets has none. */
static bool
take_port(struct str *member, uint16_t port)
{
	struct str host, text;
	uint64_t number;
	size_t at = member->len;

	while (
	    at > 0 && member->ptr[at - 1] >= '0' && member->ptr[at - 1] <= '9')
		at--;
	if (at == 0 || at == member->len || member->ptr[at - 1] != ':')
		return true;
	host = (struct str){member->ptr, at - 1};
	text = (struct str){member->ptr + at, member->len - at};
	if (memchr(host.ptr, ':', host.len) != NULL &&
	    host.ptr[host.len - 1] != ']')
		return true;
	*member = host;
	return str_to_number(text, UINT16_MAX, &number) && number == port;
}

static bool
is_meant(struct str member, struct str host, uint16_t port)
{
	struct address address, wanted;
	bool is_address = address_parse_ip(host, 0, &address);

	if (str_equal(member, STR("*")))
		return true;
	if (!take_port(&member, port))
		return false;
	if (!is_address)
		return is_below(host, member);
	if (address_parse_ip(member, 0, &wanted))
		return wanted.len == address.len &&
		    memcmp(&wanted.sa, &address.sa, wanted.len) == 0;
	return is_in_network(member, &address);
}

bool
proxy_is_excepted(const char *list, const char *host, uint16_t port)
{
	static const char between[] = ", \t";
	struct str name = str_of(host);

	if (name.len > 1 && name.ptr[name.len - 1] == '.')
		name.len--;
	while (*(list += strspn(list, between)) != '\0') {
		struct str member = {list, strcspn(list, between)};

		if (is_meant(member, name, port))
			return true;
		list += member.len;
	}
	return false;
}

/* ---- which one ---- */

static int
take_url(struct proxy *proxy, const char *from, const char *text)
{
	if (proxy_parse(text, proxy))
		return EX_OK;
	log_error("the proxy cannot be used: allowed is "
		  "http://[user[:password]@]host[:port], with %-escapes for "
		  "special characters, or proxy = none",
	    LOG_S("from", from));
	return EX_CONFIG;
}

/* Empty is as good as not set. */
static const char *
from_environment(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

/* Other programs take a proxy without a scheme for an HTTP one, too. */
static int
take_variable(struct proxy *proxy, const char *name)
{
	const char *value = from_environment(name);
	char text[2 * URL_MAX];
	int len, result;

	if (value == NULL)
		return EX_OK;
	len = snprintf(text, sizeof(text), "%s%s",
	    strstr(value, "://") == NULL ? SCHEME : "", value);
	if (len >= (int)sizeof(text))
		text[0] = '\0';
	result = take_url(proxy, name, text);
	crypto_wipe(text, sizeof(text));
	return result;
}

static int
take_environment(struct proxies *proxies)
{
	int result = take_variable(&proxies->secure,
	    from_environment("https_proxy") != NULL ? "https_proxy"
						    : "HTTPS_PROXY");

	/* HTTP_PROXY is what a web server makes of a visitor's field "Proxy" */
	if (result == EX_OK)
		result = take_variable(&proxies->plain, "http_proxy");
	if ((proxies->exceptions = from_environment("no_proxy")) == NULL)
		proxies->exceptions = from_environment("NO_PROXY");
	return result;
}

static int
add_password(struct proxy *proxy, const char *file)
{
	char password[PROXY_CREDENTIALS_MAX];
	size_t len = strlen(proxy->credentials);
	int result;

	if (len == 0 || strchr(proxy->credentials, ':') != NULL) {
		log_error("proxy_password_file is set: proxy must name the "
			  "user, and no password");
		return EX_CONFIG;
	}
	result = secret_file_read(
	    "proxy_password_file", file, password, sizeof(password) - len - 1);
	if (result == EX_OK)
		snprintf(proxy->credentials + len,
		    sizeof(proxy->credentials) - len, ":%s", password);
	crypto_wipe(password, sizeof(password));
	return result;
}

/* Basic authentication has always a colon (RFC 7617 section 2). */
static void
end_user(struct proxy *proxy)
{
	size_t len = strlen(proxy->credentials);

	if (len > 0 && strchr(proxy->credentials, ':') == NULL)
		memcpy(proxy->credentials + len, ":", 2);
}

int
proxies_load(
    struct proxies *proxies, const char *option, const char *password_file)
{
	bool none = option != NULL && strcmp(option, "none") == 0;
	int result = EX_OK;

	memset(proxies, 0, sizeof(*proxies));
	if (password_file != NULL && (option == NULL || none)) {
		log_error("proxy_password_file is set without proxy");
		return EX_CONFIG;
	}
	if (option == NULL)
		result = take_environment(proxies);
	else if (!none)
		result = take_url(&proxies->secure, "proxy", option);
	if (result == EX_OK && password_file != NULL)
		result = add_password(&proxies->secure, password_file);
	if (option != NULL)
		proxies->plain = proxies->secure;
	end_user(&proxies->plain);
	end_user(&proxies->secure);
	return result;
}

const struct proxy *
proxies_find(
    const struct proxies *proxies, bool secure, const char *host, uint16_t port)
{
	const struct proxy *proxy = secure ? &proxies->secure : &proxies->plain;

	if (proxy->host[0] == '\0' ||
	    (proxies->exceptions != NULL &&
		proxy_is_excepted(proxies->exceptions, host, port)))
		return NULL;
	return proxy;
}
