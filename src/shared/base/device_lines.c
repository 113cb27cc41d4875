/* SPDX-License-Identifier: MIT */
/*
 * Parses and writes the lines of a device file. The checks over all lines sort pointers
 * to the records, so that a file of a hundred thousand devices is read in a blink.
 */
#include "base/device_lines.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void
device_file_error_set(
    struct device_file_error *error, unsigned line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	error->line = line;
}

bool
device_lines_next(struct str *text, struct str *line)
{
	if (text->len == 0)
		return false;
	str_split(*text, '\n', line, text);
	return true;
}

/* One key of a line. */
struct key {
	const char *name;
	bool needed, seen;
};

static bool
note_key(struct key *keys, struct str name)
{
	for (; keys->name != NULL; keys++) {
		if (!str_equal(name, str_of(keys->name)))
			continue;
		if (keys->seen)
			return false;
		keys->seen = true;
	}
	return true;
}

static bool
has_needed(const struct key *keys)
{
	for (; keys->name != NULL; keys++)
		if (keys->needed && !keys->seen)
			return false;
	return true;
}

static bool
set_device_cb(void *record, struct str key, struct str value)
{
	return device_record_set(record, key, value);
}

static bool
set_fleet_cb(void *record, struct str key, struct str value)
{
	return fleet_record_set(record, key, value);
}

static bool
set_token_cb(void *record, struct str key, struct str value)
{
	return token_record_set(record, key, value);
}

/* Read one line, a copy of which is decoded in place. */
static int
parse_line(unsigned number, struct str text, struct key *keys,
    bool (*set)(void *record, struct str key, struct str value), void *record,
    const char *lacks, struct device_file_error *error)
{
	char copy[DEVICE_LINE_MAX];
	struct form_reader form;
	struct form_pair pair;
	enum wire_result result;

	if (text.len > sizeof(copy)) {
		device_file_error_set(error, number,
		    "longer than %d characters", DEVICE_LINE_MAX);
		return -1;
	}
	memcpy(copy, text.ptr, text.len);
	form_reader_init(&form, copy, text.len);
	while ((result = form_next(&form, &pair)) == WIRE_DONE) {
		if (!note_key(keys, pair.key) ||
		    !set(record, pair.key, pair.value)) {
			device_file_error_set(error, number,
			    "the value of %.*s is malformed, or given twice",
			    STR_ARG(pair.key));
			return -1;
		}
	}
	if (result == WIRE_BAD || !has_needed(keys)) {
		device_file_error_set(error, number, "%s",
		    result == WIRE_BAD ? "no list of key=value joined by &"
				       : lacks);
		return -1;
	}
	return 0;
}

/* Room for one more of an array that grows by doubling. NULL: no memory. */
static void *
more_room(void *items, size_t count, size_t size)
{
	if (count > 0 && (count & (count - 1)) != 0)
		return items;
	return realloc(items, (count > 0 ? 2 * count : 1) * size);
}

static int
fail_memory(struct device_file_error *error)
{
	device_file_error_set(error, 0, "not enough memory");
	return -1;
}

/* Other keys may stand in any order, but the first one says what the line is. */
static bool
begins_with(struct str line, struct str key)
{
	return line.len >= key.len && memcmp(line.ptr, key.ptr, key.len) == 0;
}

static int
parse_device(struct device_lines *lines, unsigned number, struct str text,
    struct device_file_error *error)
{
	struct key keys[] = {{"name", true, false},
	    {"secret_sha256", true, false}, {NULL, false, false}};
	struct device_line *items =
	    more_room(lines->items, lines->count, sizeof(*items));

	if (items == NULL)
		return fail_memory(error);
	lines->items = items;
	items += lines->count;
	memset(items, 0, sizeof(*items));
	items->number = number;
	if (parse_line(number, text, keys, set_device_cb, &items->record,
		"a device needs name= and secret_sha256=", error) != 0) {
		device_record_drop(&items->record);
		return -1;
	}
	lines->count++;
	return 0;
}

static int
parse_fleet(struct device_lines *lines, unsigned number, struct str text,
    struct device_file_error *error)
{
	struct key keys[] = {{"fleet", true, false},
	    {"key_sha256", true, false}, {"max", false, false},
	    {"used", false, false}, {"expires_ms", false, false},
	    {"created_ms", false, false}, {"pattern", false, false},
	    {NULL, false, false}};
	struct fleet_line *fleets =
	    more_room(lines->fleets, lines->n_fleets, sizeof(*fleets));
	const struct fleet_line *first;

	if (fleets == NULL)
		return fail_memory(error);
	lines->fleets = fleets;
	fleets += lines->n_fleets;
	memset(fleets, 0, sizeof(*fleets));
	fleets->number = number;
	if (parse_line(number, text, keys, set_fleet_cb, &fleets->record,
		"a fleet needs fleet= and key_sha256=", error) != 0)
		return -1;
	first = device_lines_find_fleet(lines, str_of(fleets->record.name));
	if (first != NULL) {
		device_file_error_set(error, number,
		    "the fleet %s stands in line %u already",
		    fleets->record.name, first->number);
		return -1;
	}
	lines->n_fleets++;
	return 0;
}

static int
parse_token(struct device_lines *lines, unsigned number, struct str text,
    struct device_file_error *error)
{
	struct key keys[] = {{"token", true, false}, {"sha256", true, false},
	    {"role", true, false}, {"expires_ms", false, false},
	    {"created_ms", false, false}, {NULL, false, false}};
	struct token_line *tokens =
	    more_room(lines->tokens, lines->n_tokens, sizeof(*tokens));
	const struct token_line *first;

	if (tokens == NULL)
		return fail_memory(error);
	lines->tokens = tokens;
	tokens += lines->n_tokens;
	memset(tokens, 0, sizeof(*tokens));
	tokens->number = number;
	if (parse_line(number, text, keys, set_token_cb, &tokens->record,
		"a token needs token=, sha256= and role=", error) != 0)
		return -1;
	first = device_lines_find_token(lines, str_of(tokens->record.name));
	if (first != NULL) {
		device_file_error_set(error, number,
		    "the token %s stands in line %u already",
		    tokens->record.name, first->number);
		return -1;
	}
	lines->n_tokens++;
	return 0;
}

static int
parse_any(struct device_lines *lines, unsigned number, struct str line,
    struct device_file_error *error)
{
	if (begins_with(line, STR("fleet=")))
		return parse_fleet(lines, number, line, error);
	if (begins_with(line, STR("token=")))
		return parse_token(lines, number, line, error);
	return parse_device(lines, number, line, error);
}

static int
compare_names(const void *a, const void *b)
{
	const struct device_line *const *x = a, *const *y = b;

	return strcmp((*x)->record.name, (*y)->record.name);
}

static int
compare_labels(const void *a, const void *b)
{
	const struct device_line *const *x = a, *const *y = b;

	return strcmp((*x)->record.label, (*y)->record.label);
}

/* Complain at the later one of two lines. */
static void
say_twice(struct device_file_error *error, const struct device_line *a,
    const struct device_line *b, const char *what, const char *value)
{
	const struct device_line *first = a->number < b->number ? a : b;
	const struct device_line *second = a->number < b->number ? b : a;

	device_file_error_set(error, second->number,
	    "%s %s stands in line %u already (device %s)", what, value,
	    first->number, first->record.name);
}

static int
check_names_and_labels(
    const struct device_lines *lines, struct device_file_error *error)
{
	const struct device_line **sorted =
	    calloc(lines->count, sizeof(*sorted));
	int result = 0;

	if (sorted == NULL) {
		device_file_error_set(error, 0, "not enough memory");
		return -1;
	}
	for (size_t i = 0; i < lines->count; i++)
		sorted[i] = &lines->items[i];
	qsort(sorted, lines->count, sizeof(*sorted), compare_names);
	for (size_t i = 1; result == 0 && i < lines->count; i++) {
		if (compare_names(&sorted[i - 1], &sorted[i]) == 0) {
			say_twice(error, sorted[i - 1], sorted[i], "the name",
			    sorted[i]->record.name);
			result = -1;
		}
	}
	qsort(sorted, lines->count, sizeof(*sorted), compare_labels);
	for (size_t i = 1; result == 0 && i < lines->count; i++) {
		if (sorted[i]->record.label[0] != '\0' &&
		    compare_labels(&sorted[i - 1], &sorted[i]) == 0) {
			say_twice(error, sorted[i - 1], sorted[i], "the label",
			    sorted[i]->record.label);
			result = -1;
		}
	}
	free(sorted);
	return result;
}

/* A label or host that a line has. */
struct mention {
	struct str text;
	const struct device_line *line;
};

static int
compare_mentions(const void *a, const void *b)
{
	const struct mention *x = a, *y = b;
	size_t least = x->text.len < y->text.len ? x->text.len : y->text.len;
	int order = memcmp(x->text.ptr, y->text.ptr, least);

	if (order != 0)
		return order;
	return x->text.len < y->text.len ? -1 : x->text.len > y->text.len;
}

/* Sorts them. */
static int
check_mentions(struct mention *mentions, size_t n, const char *what,
    struct device_file_error *error)
{
	char text[HOST_NAME_MAX + 1];

	if (n > 0)
		qsort(mentions, n, sizeof(*mentions), compare_mentions);
	for (size_t i = 1; i < n; i++)
		if (compare_mentions(&mentions[i - 1], &mentions[i]) == 0) {
			(void)str_copy(mentions[i].text, text, sizeof(text));
			say_twice(error, mentions[i - 1].line,
			    mentions[i].line, what, text);
			return -1;
		}
	return 0;
}

static size_t
add_hosts(struct mention *mentions, const struct device_line *line)
{
	const struct device_hosts *hosts = line->record.hosts;
	size_t n = 0;

	for (size_t i = 0; hosts != NULL && i < hosts->n; i++)
		mentions[n++] = (struct mention){
		    str_of(hosts->items[i].host), line};
	return n;
}

/* What is reserved, and what aliases take. */
static size_t
add_labels(struct mention *mentions, const struct device_line *line)
{
	const struct device_hosts *hosts = line->record.hosts;
	size_t n = 0;

	if (line->record.label[0] != '\0')
		mentions[n++] =
		    (struct mention){str_of(line->record.label), line};
	for (size_t i = 0; hosts != NULL && i < hosts->n; i++)
		if (hosts->items[i].proof == HOST_ALIAS)
			mentions[n++] = (struct mention){
			    device_host_label(&hosts->items[i]), line};
	return n;
}

static int
check_hosts(const struct device_lines *lines, struct device_file_error *error)
{
	size_t n_hosts = 0, n = 0;
	struct mention *mentions;
	int result;

	for (size_t i = 0; i < lines->count; i++)
		if (lines->items[i].record.hosts != NULL)
			n_hosts += lines->items[i].record.hosts->n;
	if (n_hosts == 0)
		return 0;
	mentions = calloc(n_hosts + lines->count, sizeof(*mentions));
	if (mentions == NULL)
		return fail_memory(error);
	for (size_t i = 0; i < lines->count; i++)
		n += add_hosts(mentions + n, &lines->items[i]);
	result = check_mentions(mentions, n, "the host", error);
	n = 0;
	for (size_t i = 0; result == 0 && i < lines->count; i++)
		n += add_labels(mentions + n, &lines->items[i]);
	if (result == 0)
		result = check_mentions(mentions, n, "the label", error);
	free(mentions);
	return result;
}

static int
check_ports(const struct device_lines *lines, struct device_file_error *error)
{
	/* place + 1 of the line that has the port */
	size_t *holder = calloc(UINT16_MAX + 1, sizeof(*holder));
	int result = 0;

	if (holder == NULL) {
		device_file_error_set(error, 0, "not enough memory");
		return -1;
	}
	for (size_t i = 0; result == 0 && i < lines->count; i++) {
		const struct device_line *line = &lines->items[i];

		for (size_t j = 0; result == 0 && j < line->record.n_ports;
		     j++) {
			uint16_t port = line->record.ports[j].port;
			char text[8];

			if (holder[port] != 0) {
				snprintf(
				    text, sizeof(text), "%u", (unsigned)port);
				say_twice(error,
				    &lines->items[holder[port] - 1], line,
				    "the port", text);
				result = -1;
			}
			holder[port] = i + 1;
		}
	}
	free(holder);
	return result;
}

int
device_lines_parse(struct device_lines *lines, struct str text,
    struct device_file_error *error)
{
	unsigned number = 0;
	struct str line;

	*lines = (struct device_lines){0};
	while (device_lines_next(&text, &line)) {
		number++;
		if (line.len == 0 || line.ptr[0] == '#')
			continue;
		if (parse_any(lines, number, line, error) != 0)
			goto fail;
	}
	if (lines->count > 0 &&
	    (check_names_and_labels(lines, error) != 0 ||
		check_hosts(lines, error) != 0 ||
		check_ports(lines, error) != 0))
		goto fail;
	return 0;
fail:
	device_lines_fini(lines);
	return -1;
}

void
device_lines_fini(struct device_lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		device_record_drop(&lines->items[i].record);
	free(lines->items);
	free(lines->fleets);
	free(lines->tokens);
	*lines = (struct device_lines){0};
}

const struct device_line *
device_lines_find(const struct device_lines *lines, struct str name)
{
	for (size_t i = 0; i < lines->count; i++)
		if (str_equal(str_of(lines->items[i].record.name), name))
			return &lines->items[i];
	return NULL;
}

const struct fleet_line *
device_lines_find_fleet(const struct device_lines *lines, struct str name)
{
	for (size_t i = 0; i < lines->n_fleets; i++)
		if (str_equal(str_of(lines->fleets[i].record.name), name))
			return &lines->fleets[i];
	return NULL;
}

const struct token_line *
device_lines_find_token(const struct device_lines *lines, struct str name)
{
	for (size_t i = 0; i < lines->n_tokens; i++)
		if (str_equal(str_of(lines->tokens[i].record.name), name))
			return &lines->tokens[i];
	return NULL;
}

static void
put_hash(
    struct writer *w, const char *key, const uint8_t sha256[SECRET_HASH_LEN])
{
	char hash[2 * SECRET_HASH_LEN];
	struct writer value;

	writer_init(&value, hash, sizeof(hash));
	writer_hex(&value, sha256, SECRET_HASH_LEN);
	form_put(w, key, (struct str){hash, sizeof(hash)});
}

/* Does only a newer version know the key of this piece of a line that was read? */
static bool
is_unknown(struct str piece, bool (*knows)(struct str key))
{
	char copy[DEVICE_LINE_MAX];
	struct form_reader form;
	struct form_pair pair;

	assert(piece.len <= sizeof(copy));
	memcpy(copy, piece.ptr, piece.len);
	form_reader_init(&form, copy, piece.len);
	return form_next(&form, &pair) == WIRE_DONE && !knows(pair.key);
}

static void
put_text(struct writer *w, const char *prefix, const char *name,
    struct writer *value, const char *room)
{
	char key[sizeof("access/") + HOST_NAME_MAX];

	assert(!value->full);
	snprintf(key, sizeof(key), "%s%s", prefix, name);
	form_put(w, key, (struct str){room, writer_len(value)});
}

static void
put_access(struct writer *w, const struct access *access)
{
	char room[ACCESS_TEXT_MAX];
	struct writer value;

	for (size_t i = 0; access != NULL && i < access->n_rules; i++) {
		writer_init(&value, room, sizeof(room));
		access_rule_write(&value, &access->rules[i]);
		put_text(w, "access/", access->rules[i].service, &value, room);
	}
	for (size_t i = 0; access != NULL && i < access->n_shares; i++) {
		writer_init(&value, room, sizeof(room));
		access_share_write(&value, &access->shares[i]);
		put_text(w, "share/", access->shares[i].id, &value, room);
	}
}

static void
put_hosts(struct writer *w, const struct device_hosts *hosts)
{
	char room[HOST_TEXT_MAX];
	struct writer value;

	for (size_t i = 0; hosts != NULL && i < hosts->n; i++) {
		writer_init(&value, room, sizeof(room));
		device_host_write(&value, &hosts->items[i]);
		put_text(w, "host/", hosts->items[i].host, &value, room);
	}
}

static void
keep_unknown(struct writer *w, struct str old, bool (*knows)(struct str key))
{
	struct str piece;

	while (old.len > 0) {
		str_split(old, '&', &piece, &old);
		if (!is_unknown(piece, knows))
			continue;
		writer_char(w, '&');
		writer_str(w, piece);
	}
}

static void
put_limit(struct writer *w, const struct device_limit_row *row, int64_t value)
{
	char text[24];
	struct writer field;

	writer_init(&field, text, sizeof(text));
	device_limit_write(&field, row, value);
	form_put(w, row->key, (struct str){text, writer_len(&field)});
}

void
device_line_write(
    struct writer *w, const struct device_record *record, struct str old)
{
	struct writer value;

	form_put(w, "name", str_of(record->name));
	put_hash(w, "secret_sha256", record->secret_sha256);
	if (record->label[0] != '\0')
		form_put(w, "label", str_of(record->label));
	for (size_t i = 0; i < record->n_ports; i++) {
		char port[SERVICE_NAME_MAX + 8];

		writer_init(&value, port, sizeof(port));
		service_port_write(&value, &record->ports[i]);
		form_put(w, "port", (struct str){port, writer_len(&value)});
	}
	if (record->rotation[0] != '\0')
		form_put(w, "rotation", str_of(record->rotation));
	if (record->fleet[0] != '\0')
		form_put(w, "fleet", str_of(record->fleet));
	for (int i = 0; i < DEVICE_LIMITS; i++)
		if (record->limits[i].is_set)
			put_limit(
			    w, &device_limit_rows[i], record->limits[i].value);
	put_access(w, record->access);
	put_hosts(w, record->hosts);
	keep_unknown(w, old, device_record_knows);
}

void
fleet_line_write(
    struct writer *w, const struct fleet_record *record, struct str old)
{
	form_put(w, "fleet", str_of(record->name));
	put_hash(w, "key_sha256", record->key_sha256);
	form_put_number(w, "max", record->max);
	form_put_number(w, "used", record->used);
	form_put_number(w, "expires_ms", record->expires_ms);
	form_put_number(w, "created_ms", record->created_ms);
	if (record->pattern[0] != '\0')
		form_put(w, "pattern", str_of(record->pattern));
	keep_unknown(w, old, fleet_record_knows);
}

void
token_line_write(
    struct writer *w, const struct token_record *record, struct str old)
{
	form_put(w, "token", str_of(record->name));
	put_hash(w, "sha256", record->sha256);
	form_put(w, "role", str_of(token_role_name(record->role)));
	form_put_number(w, "expires_ms", record->expires_ms);
	form_put_number(w, "created_ms", record->created_ms);
	keep_unknown(w, old, token_record_knows);
}
