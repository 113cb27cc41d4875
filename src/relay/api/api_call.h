/* SPDX-License-Identifier: MIT */
/* One call of the API, and the table of what can be called; for api*.c alone. */
#ifndef TAUPE_RELAY_API_API_CALL_H
#define TAUPE_RELAY_API_API_CALL_H

#include "admin/access_admin.h"
#include "admin/host_admin.h"
#include "admin/name_page.h"
#include "admin/token.h"
#include "net/http_admin.h"
#include "net/worker.h"
#include "relay/api/api.h"
#include "relay/api/login.h"
#include "relay/api/verdicts.h"
#include "relay/guesses.h"
#include "relay/relay.h"

#define API_PROGRAM_MAX 64
#define API_PEER_MAX 64

LIST_HEAD(event_streams, event_stream);

struct api {
	struct relay *relay;
	struct worker *worker;
	struct redis_options
	    registry;	    /* the worker's; texts are the relay's options' */
	struct admin admin; /* the worker's */
	char program[API_PROGRAM_MAX];
	char cookie[RELAY_ID_MAX + 16];
	LIST_HEAD(, api_call) calls;
	size_t n_calls;
	struct logins logins;
	struct guesses guesses;
	struct verdicts verdicts;
	struct event_streams streams;
};

/* A call belongs to the loop, but while its guest is with the worker. */
struct api_call {
	struct guest guest;
	LIST_ENTRY(api_call) link; /* in the api's */
	struct api *api;
	struct http_request *request;
	const struct api_operation *operation;
	bool runs_route; /* what its request's route does, no operation */
	/* in the path, but for a name that is in the body */
	char name[DEVICE_NAME_MAX + 1];
	bool name_in_path;
	char service[SERVICE_NAME_MAX + 1];
	char share[SHARE_ID_LEN + 1];
	char host[HOST_NAME_MAX + 1]; /* of domains: in the path, or in the body */
	char base[HOST_NAME_MAX +
	    20]; /* of the service's URLs; "": look for it */
	struct name_page *page;         /* of an operation that lists devices */
	uint32_t from_day, to_day;	/* of usage (base/utc_day.h) */
	char after[EVENT_PLACE_MAX]; /* of events: behind this place; "": the end */
	bool streams; /* its client wants events one after the other */
	char *body; /* as it came; NULL: none */
	size_t body_len;
	json_t *input; /* the same, once it is known whose it is */

	/* who it is: a token's text, or what a login knows of one; neither: nobody */
	char token[TOKEN_TEXT_MAX + 1];
	char login_name[DEVICE_NAME_MAX + 1];
	char login_csrf[SECRET_TEXT_LEN + 1];
	bool over_https;		 /* says the proxy before us */
	uint8_t sha256[SECRET_HASH_LEN]; /* of the token */
	/* what was known of it before, if that may stand in for the registry; role TOKEN_NONE: nothing */
	struct token_record lately;
	bool guessed;		    /* it counts as a false one */
	struct token_record bearer; /* found out; role TOKEN_NONE: nobody */
	char peer[API_PEER_MAX];
	struct address from; /* the same */
	unsigned retry_after_s;
	uint64_t due_ms; /* wall clock: by then its turn has come */

	/* set by ask: it needs to know something of the relay first. This runs in the loop, and ask is
	 * called once more */
	void (*look)(struct api_call *call, struct relay *relay);
	bool looked;
	char label[LABEL_MAX + 1];	  /* that shall be reserved */
	char holder[DEVICE_NAME_MAX + 1]; /* who has it; "": nobody */

	const char *audit; /* what it changes, if not what its operation says */
	bool changed;   /* the registry has done it */
	int status;     /* 0: not known yet */
	int code;       /* of the registry, for the audit */
	json_t *output;
};

struct api_operation {
	enum http_method method;
	const char *
	    path; /* behind /api/v1; {name}, {service}, {share} and {host} stand for what they say */
	enum token_role role;
	enum { BODY_NONE, BODY_OPTIONAL, BODY_NEEDED } body;
	/* In the loop, before ask: what it needs of the request, or of the relay. False: the call has
	 * failed, which was said. NULL: nothing. */
	bool (*take)(struct api_call *call, const struct http_request *request);
	const char *audit; /* what it changes; NULL: nothing */
	/* Either may be NULL. The first runs in the worker, and may touch nothing but the call and
	 * the context; the second runs in the loop afterwards, unless that failed. */
	void (*ask)(struct api_call *call, struct admin *admin);
	void (*finish)(struct api_call *call, struct relay *relay);
};

extern const struct api_operation api_operations[];
extern const size_t api_n_operations;

/* What a call comes to: an answer, which is taken, or an error. By either thread. */
void api_answer(struct api_call *call, int status, json_t *output);
void api_fail(struct api_call *call, int status, const char *error,
    const char *hint, const char *what, ...)
    __attribute__((format(printf, 5, 6)));
/* The same of what the registry said; true: it went well. */
bool api_went_well(struct api_call *call, struct admin *admin, int code);
/* The same of a change. */
bool api_has_changed(struct api_call *call, struct admin *admin, int code);
/* Of a stream that is asked for by HEAD: it has been answered, and its request is gone. */
bool api_answer_head(struct api_call *call);

/* In the loop: who says that it is, and may it call at all? False: the call has failed, which was said. */
bool api_take_credentials(
    struct api_call *call, const struct http_request *request);
/* In the loop, when that is found out: what it teaches of its token, and of where it came from. */
void api_learn(struct api_call *call);
/* In the worker: who is it, and may that? False: the same. */
bool api_may_call(struct api_call *call, struct admin *admin);

/* What has become of a call that changes something, for the audit. A change that was made is told of as
 * that, whatever became of its answer. */
void api_audit(const struct api_call *call);
void api_tell_audit(
    const struct api_call *call, const char *who, const char *outcome);

/* In the worker: a label is about to be reserved ("": none is). False: a relay that stands alone has to be asked
 * first who has it, which was arranged. */
bool api_knows_holder(
    struct api_call *call, struct admin *admin, const char *label);

/* Has who makes it at least that role? False: the call has failed, which was said. */
bool api_has_role(struct api_call *call, enum token_role role);

/* The body as a device, a fleet or a token. False: the call has failed, which was said. */
bool api_take_device(struct api_call *call, struct device_record *record);
/* The limits alone. */
bool api_take_limits(
    struct api_call *call, struct limit_change changes[DEVICE_LIMITS]);
bool api_take_fleet(struct api_call *call, struct fleet_record *record);
bool api_take_token(struct api_call *call, struct token_record *record,
    uint64_t *for_ms);
/* What a service's rule shall be; the wish's password is in password. */
bool api_take_rule(struct api_call *call, struct access_wish *wish,
    char password[ACCESS_PASSWORD_MAX + 1]);
/* A further host name. */
bool api_take_domain(struct api_call *call, struct host_wish *wish);
/* A share link of the call's service; base: what it begins with, "": look for it. */
bool api_take_share(struct api_call *call, struct access_share *share,
    char base[SHARE_URL_MAX]);
/* The pairs of a query, one by one, until take() has failed the call. False: it has failed, which was
 * said. */
bool api_take_query(struct api_call *call, const struct http_request *request,
    bool (*take)(struct api_call *call, const struct form_pair *pair));
/* limit, after and search of a query, for call->page. */
bool api_take_page(struct api_call *call, const struct http_request *request);
/* The same with the largest page if no limit is given. */
bool api_take_large_page(
    struct api_call *call, const struct http_request *request);
/* A boolean member; the only one that the body may have. */
bool api_take_flag(struct api_call *call, const char *key, bool *flag);

/* What this relay knows of the devices in an answer; loop only. */
void api_add_presence(struct relay *relay, json_t *device);
/* A relay that stands alone without a devices file lets anybody in: there are no devices but those that are
 * here. By either thread. */
bool api_is_open(const struct admin *admin);
/* What is known of the call's device then. False: it is not here, and the call has failed, which was said. */
bool api_answer_here(struct api_call *call, struct relay *relay);
/* Its counters, and how its last sessions ended. */
void api_add_history(struct relay *relay, json_t *device);
void api_add_urls(struct relay *relay, json_t *device);
void api_page_of_memory(struct relay *relay, struct name_page *page, json_t *list);

/* api_here.c: a page of what is at this relay; the names that go on a page, and where the next begins. */
void api_devices_here(struct api_call *call, struct relay *relay);
void api_routes_here(struct api_call *call, struct relay *relay);
void api_take_names_here(struct relay *relay, struct name_page *page);
json_t *api_next_of(const struct name_page *page);

/* api_traffic.c */
void api_ask_traffic(struct api_call *call, struct admin *admin);
void api_finish_traffic(struct api_call *call, struct relay *relay);

/* api_usage.c: from and to of a query, or this month. */
bool api_take_days(struct api_call *call, const struct http_request *request);
void api_ask_usage(struct api_call *call, struct admin *admin);

/* api_access.c */
void api_ask_rule(struct api_call *call, struct admin *admin);
void api_ask_put_rule(struct api_call *call, struct admin *admin);
void api_ask_remove_rule(struct api_call *call, struct admin *admin);
void api_ask_domains(struct api_call *call, struct admin *admin);
void api_ask_add_domain(struct api_call *call, struct admin *admin);
void api_ask_verify_domain(struct api_call *call, struct admin *admin);
void api_ask_remove_domain(struct api_call *call, struct admin *admin);
void api_ask_shares(struct api_call *call, struct admin *admin);
bool api_take_base(struct api_call *call, const struct http_request *request);
void api_ask_share(struct api_call *call, struct admin *admin);
void api_ask_end_share(struct api_call *call, struct admin *admin);
void api_ask_end_shares(struct api_call *call, struct admin *admin);

/* api_events.c: what a query says, false: the call has failed, which was said; then the page. */
bool api_take_after(struct api_call *call, const struct http_request *request);
void api_ask_events(struct api_call *call, struct admin *admin);
void api_finish_events(struct api_call *call, struct relay *relay);
/* Takes the call's request. False: the call has failed, which was said. */
bool api_stream_events(struct api_call *call);
void api_streams_end(struct api *api);

/* The relay's own views, with a call that has been let in. */
void api_login(struct api_call *call, struct relay *relay);
void api_logout(struct api_call *call, struct relay *relay);
void api_live(struct api_call *call, struct relay *relay);
void api_whoami(struct api_call *call, struct relay *relay);

#endif
