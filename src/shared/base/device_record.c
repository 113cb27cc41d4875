/* SPDX-License-Identifier: MIT */
/*
 * A device's record, key by key. The shapes of names, labels and hashes are checked here
 * for the device file and Redis alike.
 */
#include "base/device_record.h"
#include "base/hex.h"
#include "base/token_bucket.h"

#define QUOTA_BYTES_MAX (INT64_C(1) << 50) /* exact in anybody's JSON */

bool
secret_hash_parse(struct str text, uint8_t hash[SECRET_HASH_LEN])
{
	return hex_decode(text, hash, SECRET_HASH_LEN);
}

void
device_record_copy(struct device_record *to, const struct device_record *from)
{
	struct access *access = to->access;
	struct device_hosts *hosts = to->hosts;

	*to = *from;
	(void)access_keep(to->access);
	(void)device_hosts_keep(to->hosts);
	access_drop(&access);
	device_hosts_drop(&hosts);
}

void
device_record_drop(struct device_record *record)
{
	access_drop(&record->access);
	device_hosts_drop(&record->hosts);
}

static bool
add_port(struct device_record *record, struct str text)
{
	struct service_port port;

	if (record->n_ports == SERVICES_MAX ||
	    !service_port_parse(text, &port) ||
	    service_port_find(
		record->ports, record->n_ports, str_of(port.service)) != 0)
		return false;
	record->ports[record->n_ports++] = port;
	return true;
}

static bool
add_ports(struct device_record *record, struct str list)
{
	struct str item;

	while (list.len > 0) {
		str_split(list, ',', &item, &list);
		if (!add_port(record, item))
			return false;
	}
	return true;
}

const struct device_limit_row device_limit_rows[DEVICE_LIMITS] = {
    [DEVICE_MAX_VISITORS] = {"max_visitors", 1, 1000000, false, NULL},
    [DEVICE_VISITOR_RATE] = {"visitor_rate", 0, 1000000, false, NULL},
    [DEVICE_VISITOR_BURST] = {"visitor_burst", 0, 1000000, false, NULL},
    [DEVICE_RATE] = {"device_rate", 0, TOKEN_RATE_MAX, true, NULL},
    [DEVICE_QUOTA_DAY] = {"quota_day", 1, QUOTA_BYTES_MAX, true, NULL},
    [DEVICE_QUOTA_MONTH] = {"quota_month", 1, QUOTA_BYTES_MAX, true, NULL},
    [DEVICE_QUOTA_ACTION] = {"quota_action", QUOTA_WARN, QUOTA_STOP, false,
	"warn|slow|stop"},
    [DEVICE_QUOTA_RATE] = {"quota_rate", 1, TOKEN_RATE_MAX, true, NULL},
};

static bool
parse_word(struct str words, struct str text, int64_t *value)
{
	struct str word;

	for (*value = 0; words.len > 0; (*value)++) {
		str_split(words, '|', &word, &words);
		if (str_equal(word, text))
			return true;
	}
	return false;
}

bool
device_limit_parse(
    const struct device_limit_row *row, struct str text, int64_t *value)
{
	uint64_t number;

	if (row->words != NULL)
		return parse_word(str_of(row->words), text, value);
	if (!str_to_number(text, (uint64_t)row->max, &number) ||
	    (int64_t)number < row->min)
		return false;
	*value = (int64_t)number;
	return true;
}

void
device_limit_write(
    struct writer *w, const struct device_limit_row *row, int64_t value)
{
	struct str words, word;

	if (row->words == NULL) {
		writer_u64(w, (uint64_t)value);
		return;
	}
	words = str_of(row->words);
	do
		str_split(words, '|', &word, &words);
	while (value-- > 0);
	writer_str(w, word);
}

static bool
set_limit(struct own_limit *limit, const struct device_limit_row *row,
    struct str value)
{
	*limit = (struct own_limit){0};
	if (value.len == 0)
		return true;
	limit->is_set = device_limit_parse(row, value, &limit->value);
	return limit->is_set;
}

static bool
begins(struct str key, struct str with, struct str *rest)
{
	if (key.len < with.len || memcmp(key.ptr, with.ptr, with.len) != 0)
		return false;
	*rest = (struct str){key.ptr + with.len, key.len - with.len};
	return true;
}

/* What stands there as public says nothing. */
static bool
add_rule(struct device_record *record, struct str service, struct str value)
{
	struct access_rule rule = {0};

	return service_name_valid(service) &&
	    str_copy(service, rule.service, sizeof(rule.service)) &&
	    access_rule_of(record->access, service) == NULL &&
	    access_rule_parse(&rule, value) &&
	    (rule.mode == ACCESS_PUBLIC ||
		access_put_rule(&record->access, &rule) == 0);
}

static bool
add_share(struct device_record *record, struct str id, struct str value)
{
	struct access_share share = {0};

	return share_id_valid(id) && str_copy(id, share.id, sizeof(share.id)) &&
	    access_share_of(record->access, id) == NULL &&
	    access_share_parse(&share, value) &&
	    access_put_share(&record->access, &share) == 0;
}

static bool
add_host(struct device_record *record, struct str name, struct str value)
{
	struct device_host host = {0};

	return device_host_valid(name) &&
	    str_copy(name, host.host, sizeof(host.host)) &&
	    device_hosts_find(record->hosts, name) == NULL &&
	    device_host_parse(&host, value) &&
	    device_hosts_put(&record->hosts, &host) == 0;
}

static bool
set_known(
    struct device_record *record, struct str key, struct str value, bool *known)
{
	struct str rest;

	*known = true;
	if (begins(key, STR("access/"), &rest))
		return add_rule(record, rest, value);
	if (begins(key, STR("share/"), &rest))
		return add_share(record, rest, value);
	if (begins(key, STR("host/"), &rest))
		return add_host(record, rest, value);
	if (str_equal(key, STR("name")))
		return device_name_valid(value) &&
		    str_copy(value, record->name, sizeof(record->name));
	if (str_equal(key, STR("secret_sha256")))
		return secret_hash_parse(value, record->secret_sha256);
	if (str_equal(key, STR("label")))
		return (value.len == 0 || label_valid(value)) &&
		    str_copy(value, record->label, sizeof(record->label));
	if (str_equal(key, STR("port")))
		return add_port(record, value);
	if (str_equal(key, STR("ports")))
		return add_ports(record, value);
	if (str_equal(key, STR("rotation")))
		return str_copy(
		    value, record->rotation, sizeof(record->rotation));
	if (str_equal(key, STR("fleet")))
		return (value.len == 0 || device_name_valid(value)) &&
		    str_copy(value, record->fleet, sizeof(record->fleet));
	for (int i = 0; i < DEVICE_LIMITS; i++)
		if (str_equal(key, str_of(device_limit_rows[i].key)))
			return set_limit(
			    &record->limits[i], &device_limit_rows[i], value);
	*known = false;
	return true;
}

bool
device_record_set(
    struct device_record *record, struct str key, struct str value)
{
	bool known;

	return set_known(record, key, value, &known);
}

bool
device_record_knows(struct str key)
{
	struct device_record none = {0};
	bool known;

	(void)set_known(&none, key, STR(""), &known);
	return known;
}

bool
device_record_wants_rotation(const struct device_record *record)
{
	return strcmp(record->rotation, ROTATION_ASKED) == 0;
}

void
device_limits_change(struct own_limit limits[DEVICE_LIMITS],
    const struct limit_change changes[DEVICE_LIMITS])
{
	for (int i = 0; i < DEVICE_LIMITS; i++)
		if (changes[i].given)
			limits[i] = changes[i].to;
}

void
service_port_write(struct writer *w, const struct service_port *port)
{
	writer_cstr(w, port->service);
	writer_cstr(w, ":");
	writer_u64(w, port->port);
}

bool
service_port_parse(struct str text, struct service_port *port)
{
	struct str service, digits;
	uint64_t number;

	if (!str_split(text, ':', &service, &digits) ||
	    !service_name_valid(service) ||
	    !str_to_number(digits, UINT16_MAX, &number) || number == 0)
		return false;
	port->port = (uint16_t)number;
	return str_copy(service, port->service, sizeof(port->service));
}

uint16_t
service_port_find(
    const struct service_port *ports, size_t n, struct str service)
{
	for (size_t i = 0; i < n; i++) {
		if (str_equal(str_of(ports[i].service), service))
			return ports[i].port;
	}
	return 0;
}
