/* SPDX-License-Identifier: MIT */
/*
 * taupectl: one command, then it ends. A command checks its arguments, asks a store, which
 * answers in JSON, and shows that: as it is with --json, else as a table for people.
 * Functions that may fail return an exit code of sysexits and have said what is wrong.
 */
#ifndef TAUPE_CTL_CTL_H
#define TAUPE_CTL_CTL_H

#include "admin/admin.h"
#include "admin/token.h"
#include "base/options.h"
#include "ctl/report.h"

struct ctl_options {
	struct redis_options registry;
	char *devices_file, *admin, *admin_token_file;
	bool json, now, qr, core_dumps;
	char *relay; /* of qr */
	char *label;
	struct option_list port;
	int64_t devices, expires_ms; /* 0: any number; never */
	char *pattern;
	int64_t for_ms; /* a token: 0: for ever; a share link */
	struct option_list access; /* rules of services */
	char *user, *password_file; /* of these */
	char *note, *url;	    /* of a share link */
	bool on_my_word;	    /* of a domain */
	char *role;
	char *from, *to; /* days, of usage */
	bool csv;
	char *token_file, *listen, *proxy, *proxy_password_file; /* of connect */
	bool gateway;
	char *limits[DEVICE_LIMITS];
	char *domain, *dns, *ca_file; /* of doctor; the first two of domain, too */
	struct option_list haproxy, address;
	int64_t haproxy_bufsize, http_port, https_port;
	char *certs;      /* of cert */
	bool once, batch; /* of top */
	int64_t count, interval_ms;
	int sort;
	char *filter;
	bool follow; /* of events */
	char *device, *webhook, *webhook_key_file, *webhook_state_file;
	struct option_list kind;
	int64_t since_ms, webhook_timeout_ms;
	struct option_list words; /* the command */
};

struct ctl {
	struct ctl_options options;
	struct admin admin;
	char who[80], host[80]; /* whose changes these are */
	char token[TOKEN_TEXT_MAX + 2]; /* for admin; "": none */
};

/* A command: how it is called and what it does. */
struct ctl_command {
	struct option_command words;
	int (*run)(struct ctl *ctl, const char *name);
};

/* All of them; the last one's run is NULL. */
extern const struct ctl_command ctl_commands[];

extern const struct option_table ctl_option_table;

int ctl_main(int argc, char **argv);

/* Say what is wrong; returns the code. */
int ctl_fail(int code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int ctl_fail_memory(void);
/* What a call to the store came to, as an exit code; says what is wrong, if anything is. */
int ctl_result(const struct ctl *ctl, int admin_code);
/* The same of one that changes something, which is told to who follows the events. */
int ctl_changed(struct ctl *ctl, const char *what, const char *object, int admin_code);
/* Show a list that a call to the store has filled, or say why it could not; it is freed. Returns an exit
 * code. */
int ctl_show_list(const struct ctl *ctl, int admin_code, json_t *list, const struct list_view *view);
/* Show a secret that was drawn, this once: alone on standard output, or with --json as the member
 * of that key of an object, which is taken. hint tells people where to put it. Returns an exit
 * code. */
int ctl_show_secret(const struct ctl *ctl, json_t *json, const char *key,
    const char *secret, const char *hint);
/* Behind a secret on standard output, with the exit code so far: did it get there? */
int ctl_secret_told(int code);

/* The commands; name is the device's, or a relay's id. */
int command_device_add(struct ctl *ctl, const char *name);
int command_device_list(struct ctl *ctl, const char *name);
int command_device_show(struct ctl *ctl, const char *name);
int command_device_set(struct ctl *ctl, const char *name);
int command_device_rotate(struct ctl *ctl, const char *name);
int command_device_remove(struct ctl *ctl, const char *name);
int command_fleet_add(struct ctl *ctl, const char *name);
int command_fleet_list(struct ctl *ctl, const char *name);
int command_fleet_show(struct ctl *ctl, const char *name);
int command_fleet_remove(struct ctl *ctl, const char *name);
int command_device_kick(struct ctl *ctl, const char *name);
int command_token_add(struct ctl *ctl, const char *name);
int command_token_list(struct ctl *ctl, const char *name);
int command_token_remove(struct ctl *ctl, const char *name);
int command_share(struct ctl *ctl, const char *place);
int command_share_list(struct ctl *ctl, const char *name);
int command_share_revoke(struct ctl *ctl, const char *id);
int command_domain_add(struct ctl *ctl, const char *host);
int command_domain_verify(struct ctl *ctl, const char *host);
int command_domain_list(struct ctl *ctl, const char *name);
int command_domain_remove(struct ctl *ctl, const char *host);
int command_connect(struct ctl *ctl, const char *target);
int command_relay_list(struct ctl *ctl, const char *name);
int command_relay_drain(struct ctl *ctl, const char *id);
int command_relay_undrain(struct ctl *ctl, const char *id);
int command_route_list(struct ctl *ctl, const char *name);
int command_status(struct ctl *ctl, const char *name);
int command_doctor(struct ctl *ctl, const char *name);
int command_cert_load(struct ctl *ctl, const char *file);
int command_cert_list(struct ctl *ctl, const char *name);
int command_top(struct ctl *ctl, const char *name);
int command_usage(struct ctl *ctl, const char *name);
int command_completion(struct ctl *ctl, const char *name);
int command_events(struct ctl *ctl, const char *name);

#endif
