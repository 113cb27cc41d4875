/* SPDX-License-Identifier: MIT */
/* The texts of rules, shares and networks. */
#include <arpa/inet.h>
#include <stdio.h>

#include "base/access_rule.h"
#include "base/hex.h"
#include "wire/form.h"

static const char *const mode_names[] = {
    [ACCESS_PUBLIC] = "public",
    [ACCESS_PASSWORD] = "password",
    [ACCESS_ALLOW] = "allow",
    [ACCESS_PRIVATE] = "private",
};

const char *
access_mode_name(enum access_mode mode)
{
	return mode_names[mode];
}

bool
access_mode_parse(struct str text, enum access_mode *mode)
{
	for (int i = ACCESS_PUBLIC; i <= ACCESS_PRIVATE; i++)
		if (str_is(text, mode_names[i])) {
			*mode = (enum access_mode)i;
			return true;
		}
	return false;
}

/* Networks. */

static void
clear_host_bits(struct access_net *net)
{
	for (size_t i = 0; i < net->ip_len; i++) {
		size_t kept = net->bits > 8 * i ? net->bits - 8 * i : 0;

		if (kept < 8)
			net->ip[i] &= (uint8_t)(0xff00u >> kept);
	}
}

static bool
parse_ip(struct str text, struct access_net *net)
{
	char ip[INET6_ADDRSTRLEN];

	if (memchr(text.ptr, '\0', text.len) != NULL ||
	    !str_copy(text, ip, sizeof(ip)))
		return false;
	if (inet_pton(AF_INET, ip, net->ip) == 1)
		net->ip_len = 4;
	else if (inet_pton(AF_INET6, ip, net->ip) == 1)
		net->ip_len = 16;
	return net->ip_len != 0;
}

/* RFC 4291 section 2.5.5.2 */
static bool
is_mapped(const struct access_net *net)
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return net->ip_len == 16 &&
	    memcmp(net->ip, prefix, sizeof(prefix)) == 0;
}

static void
say_host_bits(
    struct str text, const struct access_net *meant, char *error, size_t cap)
{
	char room[INET6_ADDRSTRLEN + 8];
	struct writer w;

	writer_init(&w, room, sizeof(room) - 1);
	access_net_write(&w, meant);
	*w.at = '\0';
	snprintf(error, cap,
	    "%.*s is an address within a network: write %s for the network, "
	    "or %.*s/%d for that address alone",
	    STR_ARG(text), room, (int)(strcspn(text.ptr, "/")), text.ptr,
	    meant->ip_len * 8);
}

int
access_net_parse(
    struct str text, struct access_net *net, char error[ACCESS_ERROR_MAX])
{
	struct str ip, digits;
	struct access_net whole;
	char copy[64];
	uint64_t bits;

	*net = (struct access_net){0};
	/* a text of its own, for what is said about it */
	if (text.len == 0 || !str_copy(text, copy, sizeof(copy))) {
		snprintf(error, ACCESS_ERROR_MAX,
		    "a network is missing, or too long to be one");
		return -1;
	}
	text = str_of(copy);
	if (!str_split(text, '/', &ip, &digits))
		digits.ptr = NULL;
	if (!parse_ip(ip, net)) {
		snprintf(error, ACCESS_ERROR_MAX,
		    "%s is no network: write one like 192.0.2.0/24 or "
		    "2001:db8::/32",
		    copy);
		return -1;
	}
	if (is_mapped(net)) {
		snprintf(error, ACCESS_ERROR_MAX,
		    "%s holds IPv4 addresses: write it as such, like "
		    "%u.%u.%u.%u/24",
		    copy, net->ip[12], net->ip[13], net->ip[14], net->ip[15]);
		return -1;
	}
	net->bits = (uint8_t)(8 * net->ip_len);
	if (digits.ptr == NULL)
		return 0;
	if (!str_to_number(digits, 8 * net->ip_len, &bits) ||
	    (digits.len > 1 && digits.ptr[0] == '0')) {
		snprintf(error, ACCESS_ERROR_MAX,
		    "%s: behind the slash stands a number from 0 to %d", copy,
		    8 * net->ip_len);
		return -1;
	}
	whole = *net;
	net->bits = (uint8_t)bits;
	clear_host_bits(net);
	if (memcmp(net->ip, whole.ip, sizeof(whole.ip)) == 0)
		return 0;
	say_host_bits(text, net, error, ACCESS_ERROR_MAX);
	return -1;
}

void
access_net_write(struct writer *w, const struct access_net *net)
{
	char ip[INET6_ADDRSTRLEN] = "";

	/* cannot fail: the family is known and the room is enough */
	(void)inet_ntop(
	    net->ip_len == 4 ? AF_INET : AF_INET6, net->ip, ip, sizeof(ip));
	writer_cstr(w, ip);
	writer_char(w, '/');
	writer_u32(w, net->bits);
}

bool
access_net_has(const struct access_net *net, const uint8_t *ip, size_t ip_len)
{
	struct access_net of_ip = *net;

	if (net->ip_len != ip_len)
		return false;
	memcpy(of_ip.ip, ip, ip_len);
	clear_host_bits(&of_ip);
	return memcmp(of_ip.ip, net->ip, ip_len) == 0;
}

bool
access_user_valid(struct str user)
{
	return user.len > 0 && user.len <= ACCESS_USER_MAX &&
	    str_only(user, " 9;~");
}

bool
share_id_valid(struct str id)
{
	return id.len == SHARE_ID_LEN && str_only(id, "09af");
}

/* Rules. */

static bool
take_net(struct access_rule *rule, struct str value)
{
	char unsaid[ACCESS_ERROR_MAX];

	return rule->n_nets < ACCESS_NETS_MAX &&
	    access_net_parse(value, &rule->nets[rule->n_nets++], unsaid) == 0;
}

/* What a rule was given. */
enum {
	HAS_MODE = 1,
	HAS_KEY = 2,
	HAS_USER = 4,
	HAS_SALT = 8,
	HAS_HASH = 16,
	HAS_NET = 32
};

static bool
note(unsigned *has, unsigned what)
{
	bool again = (*has & what) != 0;

	*has |= what;
	return !again;
}

static bool
take_of_rule(
    struct access_rule *rule, const struct form_pair *pair, unsigned *has)
{
	if (str_is(pair->key, "mode"))
		return note(has, HAS_MODE) &&
		    access_mode_parse(pair->value, &rule->mode);
	if (str_is(pair->key, "key"))
		return note(has, HAS_KEY) &&
		    hex_decode(pair->value, rule->key, sizeof(rule->key));
	if (str_is(pair->key, "user"))
		return note(has, HAS_USER) && access_user_valid(pair->value) &&
		    str_copy(pair->value, rule->user, sizeof(rule->user));
	if (str_is(pair->key, "salt"))
		return note(has, HAS_SALT) &&
		    hex_decode(pair->value, rule->salt, sizeof(rule->salt));
	if (str_is(pair->key, "hash"))
		return note(has, HAS_HASH) &&
		    hex_decode(pair->value, rule->hash, sizeof(rule->hash));
	if (str_is(pair->key, "net")) {
		*has |= HAS_NET;
		return take_net(rule, pair->value);
	}
	return true;
}

static unsigned
needed(enum access_mode mode)
{
	switch (mode) {
	case ACCESS_PUBLIC:
		return HAS_MODE;
	case ACCESS_PASSWORD:
		return HAS_MODE | HAS_KEY | HAS_USER | HAS_SALT | HAS_HASH;
	case ACCESS_ALLOW:
		return HAS_MODE | HAS_KEY | HAS_NET;
	case ACCESS_PRIVATE:
		return HAS_MODE | HAS_KEY;
	}
	return 0;
}

bool
access_rule_parse(struct access_rule *rule, struct str text)
{
	struct access_rule found = {0};
	char copy[ACCESS_TEXT_MAX];
	struct form_reader form;
	struct form_pair pair;
	enum wire_result result;
	unsigned has = 0;

	if (text.len > sizeof(copy))
		return false;
	if (text.len > 0)
		memcpy(copy, text.ptr, text.len);
	form_reader_init(&form, copy, text.len);
	while ((result = form_next(&form, &pair)) == WIRE_DONE)
		if (!take_of_rule(&found, &pair, &has))
			return false;
	if (result == WIRE_BAD || has != needed(found.mode))
		return false;
	memcpy(found.service, rule->service, sizeof(found.service));
	*rule = found;
	return true;
}

static void
put_hex(struct writer *w, const char *key, const uint8_t *data, size_t len)
{
	char text[2 * ACCESS_KEY_LEN];
	struct writer value;

	writer_init(&value, text, sizeof(text));
	writer_hex(&value, data, len);
	form_put(w, key, (struct str){text, writer_len(&value)});
}

static void
put_net(struct writer *w, const struct access_net *net)
{
	char text[INET6_ADDRSTRLEN + 8];
	struct writer value;

	writer_init(&value, text, sizeof(text));
	access_net_write(&value, net);
	form_put(w, "net", (struct str){text, writer_len(&value)});
}

void
access_rule_write(struct writer *w, const struct access_rule *rule)
{
	form_put(w, "mode", str_of(access_mode_name(rule->mode)));
	if (rule->mode == ACCESS_PASSWORD) {
		form_put(w, "user", str_of(rule->user));
		put_hex(w, "salt", rule->salt, sizeof(rule->salt));
		put_hex(w, "hash", rule->hash, sizeof(rule->hash));
	}
	for (size_t i = 0; i < rule->n_nets; i++)
		put_net(w, &rule->nets[i]);
	if (rule->mode != ACCESS_PUBLIC)
		put_hex(w, "key", rule->key, sizeof(rule->key));
}

/* Shares. */

static bool
take_of_share(struct access_share *share, const struct form_pair *pair)
{
	uint64_t number;

	if (str_is(pair->key, "service"))
		return service_name_valid(pair->value) &&
		    str_copy(
			pair->value, share->service, sizeof(share->service));
	if (str_is(pair->key, "created_ms"))
		return str_to_number(
		    pair->value, INT64_MAX, &share->created_ms);
	if (str_is(pair->key, "expires_ms"))
		return str_to_number(
		    pair->value, INT64_MAX, &share->expires_ms);
	if (str_is(pair->key, "by"))
		return str_copy(pair->value, share->by, sizeof(share->by));
	if (str_is(pair->key, "note"))
		return str_copy(pair->value, share->note, sizeof(share->note));
	if (str_is(pair->key, "revoked")) {
		share->revoked = true;
		return str_to_number(pair->value, 1, &number) && number == 1;
	}
	return true;
}

bool
access_share_parse(struct access_share *share, struct str text)
{
	struct access_share found = {0};
	char copy[ACCESS_TEXT_MAX];
	struct form_reader form;
	struct form_pair pair;
	enum wire_result result;

	if (text.len > sizeof(copy))
		return false;
	if (text.len > 0)
		memcpy(copy, text.ptr, text.len);
	form_reader_init(&form, copy, text.len);
	while ((result = form_next(&form, &pair)) == WIRE_DONE)
		if (!take_of_share(&found, &pair))
			return false;
	if (result == WIRE_BAD || found.service[0] == '\0' ||
	    found.expires_ms == 0)
		return false;
	memcpy(found.id, share->id, sizeof(found.id));
	*share = found;
	return true;
}

void
access_share_write(struct writer *w, const struct access_share *share)
{
	form_put(w, "service", str_of(share->service));
	form_put_number(w, "created_ms", share->created_ms);
	form_put_number(w, "expires_ms", share->expires_ms);
	if (share->by[0] != '\0')
		form_put(w, "by", str_of(share->by));
	if (share->note[0] != '\0')
		form_put(w, "note", str_of(share->note));
	if (share->revoked)
		form_put_number(w, "revoked", 1);
}
