/* SPDX-License-Identifier: MIT */
#include "agent/enrolment_uri.h"

#include <stdio.h>
#include <string.h>

#include "wire/form.h"

static const char scheme[] = "taupe://";

struct parameters {
	struct str name, secret, tls;
};

/* Each once. */
static const char *
take(struct parameters *p, const struct form_pair *pair)
{
	struct str *place = str_is(pair->key, "name") ? &p->name
	    : str_is(pair->key, "secret")	      ? &p->secret
	    : str_is(pair->key, "tls")		      ? &p->tls
						      : NULL;

	if (place == NULL)
		return NULL;
	if (place->ptr != NULL)
		return "a parameter stands there twice";
	*place = pair->value;
	return NULL;
}

static const char *
read_parameters(char *query, struct parameters *p)
{
	struct form_reader form;
	struct form_pair pair;
	enum wire_result result;
	const char *error;

	form_reader_init(&form, query, strlen(query));
	while ((result = form_next(&form, &pair)) == WIRE_DONE)
		if ((error = take(p, &pair)) != NULL)
			return error;
	return result == WIRE_BAD ? "its parameters are malformed" : NULL;
}

const char *
enrolment_uri_parse(char *text, struct enrolment_uri *uri)
{
	struct parameters p = {{0}, {0}, {0}};
	const char *error;
	char *host = text + sizeof(scheme) - 1;
	size_t host_len;
	int len;

	if (strncmp(text, scheme, sizeof(scheme) - 1) != 0)
		return "it does not begin with taupe://";
	host_len = strcspn(host, "/?");
	text = host + host_len;
	text += *text == '/';
	if (*text != '?')
		return "its end is missing: there is no name and no secret in "
		       "it";
	if ((error = read_parameters(text + 1, &p)) != NULL)
		return error;
	if (p.tls.ptr != NULL && !str_is(p.tls, "no"))
		return "tls may be no, or not be there";
	len = snprintf(uri->relay, sizeof(uri->relay), "%s://%.*s",
	    p.tls.ptr != NULL ? "ws" : "wss", (int)host_len, host);
	if (len < 0 || (size_t)len >= sizeof(uri->relay) ||
	    !taupe_relay_valid(uri->relay))
		return "the relay's name in it is none";
	if (!str_copy(p.name, uri->name, sizeof(uri->name)) ||
	    !taupe_name_valid(uri->name))
		return "the device's name is missing, or is none";
	if (!str_copy(p.secret, uri->secret, sizeof(uri->secret)) ||
	    !taupe_secret_valid(uri->secret))
		return "the secret is missing, or is none";
	return NULL;
}
