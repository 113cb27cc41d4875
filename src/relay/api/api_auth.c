/* SPDX-License-Identifier: MIT */
/*
 * Reading is open on loopback, to whoever has got on this host; but not through a proxy, which
 * brings others. Changes are open to nobody: any page that a browser of this host shows can send
 * requests here, and could make them.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "net/crypto.h"
#include "relay/admin.h"
#include "relay/api/api_call.h"

#define TOKEN_GUESSES_MINUTE 30

/* ---- in the worker ---- */

static int
check_login(struct api_call *call, struct admin *admin)
{
	struct token_record *bearer = &call->bearer;
	int code = admin->store->token(admin, call->login_name, bearer);

	if (code == ADMIN_OK &&
	    (!crypto_equal(bearer->sha256, call->sha256, SECRET_HASH_LEN) ||
		(bearer->expires_ms != 0 &&
		    bearer->expires_ms <= loop_wall_ms())))
		code = ADMIN_UNKNOWN;
	return code;
}

/* Who watches relays shall see them also when Redis is away: of what needs no registry, and changes
 * nothing, the verdict of a moment ago will do. */
static bool
lately_will_do(const struct api_call *call, int code)
{
	return code == ADMIN_DOWN && call->lately.role != TOKEN_NONE &&
	    (call->lately.expires_ms == 0 ||
		call->lately.expires_ms > loop_wall_ms()) &&
	    (call->runs_route ||
		(call->operation->method == HTTP_GET &&
		    call->operation->ask == NULL));
}

bool
api_may_call(struct api_call *call, struct admin *admin)
{
	enum token_role role =
	    call->runs_route ? TOKEN_READ : call->operation->role;
	int code;

	if (call->token[0] != '\0')
		code = token_check(admin, str_of(call->token), &call->bearer);
	else if (call->login_name[0] != '\0')
		code = check_login(call, admin);
	else
		return true; /* it is open */
	if (code == ADMIN_UNKNOWN) {
		call->bearer.role = TOKEN_NONE;
		api_fail(call, 401, "unauthorized",
		    "make one with taupectl token add, or log in again",
		    "this token is not good, or not any more");
		return false;
	}
	if (lately_will_do(call, code)) {
		call->code = code;
		call->bearer = call->lately;
	} else if (!api_went_well(call, admin, code)) {
		return false;
	}
	return api_has_role(call, role);
}

bool
api_has_role(struct api_call *call, enum token_role role)
{
	if (call->bearer.role >= role)
		return true;
	api_fail(call, 403, "forbidden", "use a token of that role",
	    "this needs the role %s, and the token %s has %s",
	    token_role_name(role), call->bearer.name,
	    token_role_name(call->bearer.role));
	return false;
}

/* ---- in the loop ---- */

void
api_learn(struct api_call *call)
{
	struct api *api = call->api;
	uint64_t now_ms = loop_now_ms(api->relay->loop);
	bool is_false = call->status == 401;

	if (call->guessed && !is_false)
		guesses_was_right(&api->guesses, TOKEN_GUESSES_MINUTE,
		    &call->from, now_ms);
	if (is_false)
		verdict_forget(&api->verdicts, call->sha256);
	else if (call->bearer.role != TOKEN_NONE && call->code < ADMIN_DOWN)
		verdict_keep(&api->verdicts, &call->bearer, now_ms);
}

static void
remember(struct api_call *call)
{
	const struct verdict *verdict =
	    verdict_find(&call->api->verdicts, call->sha256);
	uint64_t now_ms = loop_now_ms(call->api->relay->loop);

	call->guessed = verdict == NULL;
	if (verdict != NULL && verdict_stands_in(verdict, now_ms))
		call->lately = verdict->token;
}

/* Who was good before need not wait for those who guess. */
static bool
may_guess(struct api_call *call)
{
	struct api *api = call->api;

	if (!call->guessed ||
	    guesses_may(&api->guesses, TOKEN_GUESSES_MINUTE, &call->from,
		loop_now_ms(api->relay->loop), &call->retry_after_s))
		return true;
	call->guessed = false;
	api_fail(call, 429, "too_many", "come again after Retry-After",
	    "too many false tokens have come from %s", call->peer);
	return false;
}

static void
take_bearer(struct api_call *call, const struct http_request *request)
{
	struct str header =
		       str_of(http_request_header(request, "Authorization")),
		   scheme, token;

	if (str_split(header, ' ', &scheme, &token) &&
	    str_equal_nocase(scheme, STR("Bearer")) &&
	    str_copy(token, call->token, sizeof(call->token)))
		crypto_sha256(token.ptr, token.len, call->sha256);
	else
		call->token[0] = '\0';
}

/* A browser sends a cookie to each port of a host, and whoever listens at another one may send it here: so
 * it is good for what all readers may see, and no more. */
static bool
is_only_looked_at(
    const struct api_call *call, const struct http_request *request)
{
	enum http_method method = http_request_method(request);

	return (method == HTTP_GET || method == HTTP_HEAD) &&
	    (call->runs_route || call->operation->role == TOKEN_READ);
}

/* A cookie that stands for nobody is as good as none. False: the second value is needed, and
 * missing. */
static bool
take_cookie(struct api_call *call, const struct http_request *request)
{
	const struct login *login = login_find(&call->api->logins,
	    cookie_find(
		http_request_header(request, "Cookie"), call->api->cookie));

	if (login == NULL)
		return true;
	memcpy(call->login_name, login->name, sizeof(call->login_name));
	memcpy(call->sha256, login->sha256, sizeof(call->sha256));
	memcpy(call->login_csrf, login->csrf, sizeof(call->login_csrf));
	return is_only_looked_at(call, request) ||
	    login_may_change(
		login, http_request_header(request, "X-Taupe-CSRF"));
}

/* Not each proxy says that it is one: with admin_private it need not, and without, the name by which
 * others come is refused. */
static bool
came_by_proxy(const struct http_request *request)
{
	static const char *const signs[] = {"Forwarded", "Via", "X-Real-IP",
	    "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
	    "X-Forwarded-Port", "X-Forwarded-Server"};

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (http_request_header(request, signs[i]) != NULL)
			return true;
	return false;
}

static bool
is_open(const struct api *api, const struct http_request *request)
{
	struct address address;

	http_admin_address(api->relay->admin, &address);
	return address_is_loopback(&address) &&
	    !api->relay->options.admin_private && !came_by_proxy(request);
}

/* Another page than ours makes a browser send this: from elsewhere, or from another port of this host. It
 * could not read the answer, but change something, or hold streams. */
static bool
is_of_another_page(const struct http_request *request)
{
	const char *site = http_request_header(request, "Sec-Fetch-Site");

	return site != NULL && strcmp(site, "same-origin") != 0 &&
	    strcmp(site, "none") != 0;
}

static bool
refuse_page(struct api_call *call)
{
	api_fail(call, 403, "forbidden", "open the dashboard itself",
	    "a page from elsewhere has made the browser send this");
	return false;
}

bool
api_take_credentials(struct api_call *call, const struct http_request *request)
{
	const char *proto = http_request_header(request, "X-Forwarded-Proto");
	enum token_role role =
	    call->runs_route ? TOKEN_READ : call->operation->role;

	if (is_of_another_page(request))
		return refuse_page(call);
	call->over_https = proto != NULL && strcmp(proto, "https") == 0;
	take_bearer(call, request);
	if (call->token[0] != '\0') {
		remember(call);
		return may_guess(call);
	}
	if (!take_cookie(call, request)) {
		api_fail(call, 403, "csrf",
		    "send what the login answered as X-Taupe-CSRF, or log in "
		    "again",
		    "with a cookie this needs X-Taupe-CSRF as well");
		if (!call->runs_route && call->operation->audit != NULL)
			api_tell_audit(call, call->login_name, "denied");
		return false;
	}
	if (call->login_name[0] != '\0') {
		remember(call);
		call->guessed = false;
		return true;
	}
	if (role == TOKEN_READ && is_open(call->api, request))
		return true;
	api_fail(call, 401, "unauthorized",
	    "make one with taupectl token add NAME --role ROLE, and send it as "
	    "Authorization: Bearer TOKEN",
	    "this needs a token");
	return false;
}

/* ---- logging in ---- */

void
api_login(struct api_call *call, struct relay *relay)
{
	const struct login *login;

	if (call->token[0] == '\0') {
		api_fail(call, 401, "unauthorized",
		    "send Authorization: Bearer TOKEN",
		    "to log in needs a token");
		return;
	}
	login = login_add(&relay->api->logins, &call->bearer);
	if (login == NULL) {
		api_fail(call, 503, "busy", "log out elsewhere",
		    "%d have logged in at this relay already", LOGINS_MAX);
		return;
	}
	api_answer(call, 200,
	    json_pack("{s:s, s:s, s:s, s:s}", "name", call->bearer.name, "role",
		token_role_name(call->bearer.role), "csrf", login->csrf,
		"login", login->id));
}

void
api_logout(struct api_call *call, struct relay *relay)
{
	if (call->login_name[0] == '\0') {
		api_fail(call, 401, "unauthorized",
		    "send the cookie of the login that is to end",
		    "there is no login to be ended");
		return;
	}
	for (int i = 0; i < LOGINS_MAX; i++) {
		struct login *login = &relay->api->logins.items[i];

		if (strcmp(login->csrf, call->login_csrf) == 0)
			login_end(login);
	}
	api_answer(call, 200, json_pack("{s:s}", "login", ""));
}

/* For the dashboard. */
void
api_whoami(struct api_call *call, struct relay *relay)
{
	const struct token_record *bearer = &call->bearer;
	bool is_known = bearer->role != TOKEN_NONE;

	(void)relay;
	api_answer(call, 200,
	    json_pack("{s:s?, s:s}", "name", is_known ? bearer->name : NULL,
		"role", is_known ? token_role_name(bearer->role) : "read"));
}
