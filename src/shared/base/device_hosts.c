/* SPDX-License-Identifier: MIT */
#include "base/device_hosts.h"

#include <stdlib.h>

#include "wire/form.h"

static const char *const proof_names[] = {
    [HOST_PENDING] = "pending",
    [HOST_TXT] = "txt",
    [HOST_WORD] = "word",
    [HOST_ALIAS] = "alias",
};

const char *
host_proof_name(enum host_proof proof)
{
	return proof_names[proof];
}

static bool
parse_proof(struct str text, enum host_proof *proof)
{
	for (int i = HOST_PENDING; i <= HOST_ALIAS; i++)
		if (str_is(text, proof_names[i])) {
			*proof = (enum host_proof)i;
			return true;
		}
	return false;
}

/* The last label of a name is never a number alone (RFC 3696 section 2): that is an address. */
bool
device_host_valid(struct str host)
{
	struct str label, rest = host;
	bool more;

	if (!host_name_valid(host) || memchr(host.ptr, '.', host.len) == NULL)
		return false;
	do
		more = str_split(rest, '.', &label, &rest);
	while (more);
	return !str_only(label, "09");
}

struct str
device_host_label(const struct device_host *host)
{
	struct str label, rest;

	if (host->proof != HOST_ALIAS)
		return (struct str){0};
	str_split(str_of(host->host), '.', &label, &rest);
	return label;
}

/* One host. */

static bool
token_valid(struct str token)
{
	return token.len == HOST_TOKEN_LEN && str_only(token, "09af");
}

static bool
take(struct device_host *host, const struct form_pair *pair, bool *has_proof)
{
	if (str_is(pair->key, "service"))
		return service_name_valid(pair->value) &&
		    str_copy(pair->value, host->service, sizeof(host->service));
	if (str_is(pair->key, "proof")) {
		*has_proof = true;
		return parse_proof(pair->value, &host->proof);
	}
	if (str_is(pair->key, "token"))
		return token_valid(pair->value) &&
		    str_copy(pair->value, host->token, sizeof(host->token));
	if (str_is(pair->key, "by"))
		return str_only(pair->value, " ~") &&
		    str_copy(pair->value, host->by, sizeof(host->by));
	if (str_is(pair->key, "created_ms"))
		return str_to_number(
		    pair->value, INT64_MAX, &host->created_ms);
	if (str_is(pair->key, "proved_ms"))
		return str_to_number(pair->value, INT64_MAX, &host->proved_ms);
	return true;
}

static bool
is_whole(const struct device_host *host)
{
	return host->service[0] != '\0' &&
	    (host->token[0] == '\0') == (host->proof == HOST_ALIAS) &&
	    (host->proved_ms == 0) == (host->proof == HOST_PENDING);
}

bool
device_host_parse(struct device_host *host, struct str text)
{
	struct device_host found = {0};
	char copy[HOST_TEXT_MAX];
	struct form_reader form;
	struct form_pair pair;
	enum wire_result result;
	bool has_proof = false;

	if (text.len > sizeof(copy))
		return false;
	if (text.len > 0)
		memcpy(copy, text.ptr, text.len);
	form_reader_init(&form, copy, text.len);
	while ((result = form_next(&form, &pair)) == WIRE_DONE)
		if (!take(&found, &pair, &has_proof))
			return false;
	if (result == WIRE_BAD || !has_proof || !is_whole(&found))
		return false;
	memcpy(found.host, host->host, sizeof(found.host));
	*host = found;
	return true;
}

void
device_host_write(struct writer *w, const struct device_host *host)
{
	form_put(w, "service", str_of(host->service));
	form_put(w, "proof", str_of(host_proof_name(host->proof)));
	if (host->token[0] != '\0')
		form_put(w, "token", str_of(host->token));
	if (host->by[0] != '\0')
		form_put(w, "by", str_of(host->by));
	form_put_number(w, "created_ms", host->created_ms);
	if (host->proved_ms != 0)
		form_put_number(w, "proved_ms", host->proved_ms);
}

/* All of a device. */

struct device_hosts *
device_hosts_keep(struct device_hosts *hosts)
{
	if (hosts != NULL)
		hosts->n_keepers++;
	return hosts;
}

void
device_hosts_drop(struct device_hosts **hostsp)
{
	struct device_hosts *hosts = *hostsp;

	*hostsp = NULL;
	if (hosts == NULL || --hosts->n_keepers > 0)
		return;
	free(hosts->items);
	free(hosts);
}

const struct device_host *
device_hosts_find(const struct device_hosts *hosts, struct str host)
{
	for (size_t i = 0; hosts != NULL && i < hosts->n; i++)
		if (str_is(host, hosts->items[i].host))
			return &hosts->items[i];
	return NULL;
}

static bool
host_equal(const struct device_host *a, const struct device_host *b)
{
	return a->proof == b->proof && a->created_ms == b->created_ms &&
	    a->proved_ms == b->proved_ms &&
	    strcmp(a->service, b->service) == 0 && strcmp(a->by, b->by) == 0 &&
	    strcmp(a->token, b->token) == 0;
}

bool
device_hosts_equal(const struct device_hosts *a, const struct device_hosts *b)
{
	if ((a != NULL ? a->n : 0) != (b != NULL ? b->n : 0))
		return false;
	for (size_t i = 0; a != NULL && i < a->n; i++) {
		const struct device_host *other =
		    device_hosts_find(b, str_of(a->items[i].host));

		if (other == NULL || !host_equal(&a->items[i], other))
			return false;
	}
	return true;
}

/* With room for one more. NULL: no memory. */
static struct device_hosts *
copy_of(const struct device_hosts *from)
{
	struct device_hosts *copy = calloc(1, sizeof(*copy));
	size_t n = from != NULL ? from->n : 0;

	if (copy == NULL ||
	    (copy->items = calloc(n + 1, sizeof(*copy->items))) == NULL) {
		free(copy);
		return NULL;
	}
	copy->n_keepers = 1;
	copy->n = n;
	if (n > 0)
		memcpy(copy->items, from->items, n * sizeof(*copy->items));
	return copy;
}

static void
replace(struct device_hosts **hosts, struct device_hosts *copy)
{
	device_hosts_drop(hosts);
	*hosts = copy;
	if (copy->n == 0)
		device_hosts_drop(hosts);
}

int
device_hosts_put(struct device_hosts **hosts, const struct device_host *host)
{
	struct device_hosts *copy = copy_of(*hosts);
	size_t at;

	if (copy == NULL)
		return -1;
	for (at = 0; at < copy->n; at++)
		if (strcmp(copy->items[at].host, host->host) == 0)
			break;
	if (at == HOSTS_MAX) {
		device_hosts_drop(&copy);
		return -1;
	}
	copy->items[at] = *host;
	copy->n += at == copy->n;
	replace(hosts, copy);
	return 0;
}

int
device_hosts_remove(struct device_hosts **hosts, struct str host)
{
	struct device_hosts *copy;

	if (device_hosts_find(*hosts, host) == NULL)
		return 0;
	if ((copy = copy_of(*hosts)) == NULL)
		return -1;
	for (size_t i = 0; i < copy->n; i++)
		if (str_is(host, copy->items[i].host)) {
			copy->items[i] = copy->items[--copy->n];
			break;
		}
	replace(hosts, copy);
	return 0;
}
