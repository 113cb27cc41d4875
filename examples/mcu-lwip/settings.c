/* SPDX-License-Identifier: MIT */
/* The settings' page. What stands there was written by the device's maker, and still is checked:
 * a page can be half written. */
#include "settings.h"

#include <string.h>

/* from the linker's script */
extern const char settings_page[], settings_page_end[];

struct line {
	const char *key, *value;
	size_t key_len, value_len;
};

static bool
ends(char c)
{
	return c == '\0' || c == '\xff';
}

/* The line at *at, which moves behind it; false: there are no more. */
static bool
next_line(const char **at, struct line *line)
{
	const char *start = *at, *end = start, *equals;

	if (start >= settings_page_end || ends(*start))
		return false;
	while (end < settings_page_end && !ends(*end) && *end != '\n')
		end++;
	equals = memchr(start, '=', (size_t)(end - start));
	if (equals == NULL)
		equals = end;
	line->key = start;
	line->key_len = (size_t)(equals - start);
	line->value = equals < end ? equals + 1 : end;
	line->value_len = (size_t)(end - line->value);
	*at = end < settings_page_end && *end == '\n' ? end + 1 : end;
	return true;
}

static bool
is(const struct line *line, const char *key)
{
	return line->key_len == strlen(key) &&
	    memcmp(line->key, key, line->key_len) == 0;
}

static bool
copy(const struct line *line, char *out, size_t size)
{
	if (line->value_len == 0 || line->value_len >= size)
		return false;
	memcpy(out, line->value, line->value_len);
	out[line->value_len] = '\0';
	return true;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
take_mac(const struct line *line, uint8_t mac[6])
{
	if (line->value_len != 12)
		return false;
	for (unsigned i = 0; i < 6; i++) {
		int high = hex_digit(line->value[2 * i]);
		int low = hex_digit(line->value[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		mac[i] = (uint8_t)(high * 16 + low);
	}
	return true;
}

static const char *
take(const struct line *line, struct settings *s)
{
	if (is(line, "name"))
		return copy(line, s->name, sizeof(s->name)) ? NULL : "name";
	if (is(line, "secret"))
		return copy(line, s->secret, sizeof(s->secret)) ? NULL
								: "secret";
	if (is(line, "mac"))
		return take_mac(line, s->mac) ? NULL : "mac";
	if (is(line, "relay")) {
		if (s->n_relays == SETTINGS_RELAYS_MAX ||
		    !copy(line, s->relays[s->n_relays], sizeof(s->relays[0])))
			return "relay";
		s->n_relays++;
	}
	return NULL; /* a later firmware's, perhaps */
}

const char *
settings_read(struct settings *s)
{
	static const uint8_t none[6];
	const char *at = settings_page, *wrong;
	struct line line;

	memset(s, 0, sizeof(*s));
	while (next_line(&at, &line))
		if ((wrong = take(&line, s)) != NULL)
			return wrong;
	if (s->name[0] == '\0')
		return "name";
	if (s->secret[0] == '\0')
		return "secret";
	if (s->n_relays == 0)
		return "relay";
	return memcmp(s->mac, none, sizeof(none)) != 0 ? NULL : "mac";
}
