/* SPDX-License-Identifier: MIT */
/* The forms of a configuration's values, for drivers. */
#include "sdk/taupe.h"
#include "wire/control_msg.h"
#include "wire/handshake.h"
#include "wire/host_name.h"
#include "wire/url.h"

bool
taupe_name_valid(const char *name)
{
	return name != NULL && device_name_valid(str_of(name));
}

bool
taupe_secret_valid(const char *secret)
{
	return secret != NULL && handshake_secret_valid(str_of(secret));
}

bool
taupe_enrolment_key_valid(const char *key)
{
	struct str fleet;

	return key != NULL &&
	    handshake_enrolment_key_parse(str_of(key), &fleet);
}

bool
taupe_service_name_valid(const char *name)
{
	return name != NULL && service_name_valid(str_of(name));
}

bool
taupe_relay_valid(const char *url)
{
	return url != NULL && url_relay_valid(str_of(url));
}

bool
taupe_domain_valid(const char *domain)
{
	return domain != NULL && host_name_valid(str_of(domain));
}
