/* SPDX-License-Identifier: MIT */
/* token add, ls and rm: who may use the relays' admin API. */
#include <stdio.h>
#include <sysexits.h>

#include "admin/record_json.h"
#include "admin/token.h"
#include "ctl/ctl.h"
#include "ctl/report.h"
#include "net/crypto.h"
#include "net/loop.h"

int
command_token_add(struct ctl *ctl, const char *name)
{
	char text[TOKEN_TEXT_MAX + 1];
	struct token_record record;
	int code;

	if (ctl->options.role == NULL)
		return ctl_fail(
		    EX_USAGE, "token add needs --role read, operate or admin");
	token_draw(&record, name, token_role_parse(str_of(ctl->options.role)),
	    (uint64_t)ctl->options.for_ms, text);
	code = ctl_changed(ctl, "token add", name,
	    ctl->admin.store->token_add(&ctl->admin, &record));
	if (code == EX_OK)
		code = ctl_show_secret(ctl, admin_token_json(&record), "token",
		    text,
		    "The token is shown this once; programs send it as "
		    "Authorization: Bearer TOKEN, the dashboard asks for it:");
	crypto_wipe(text, sizeof(text));
	return code;
}

static void
add_row(struct table *table, const json_t *token)
{
	char age[REPORT_TEXT_MAX], left[REPORT_TEXT_MAX];

	table_add(table, report_str(token, "name"));
	table_add(table, report_str(token, "role"));
	table_add(table, report_age(report_u64(token, "created_ms"), age));
	table_add(table, report_expiry(report_u64(token, "expires_ms"), left));
}

static const char *const headings[] = {
    "NAME", "ROLE", "AGE", "EXPIRES IN", NULL};
static const struct list_view view = {"tokens", headings, add_row};

int
command_token_list(struct ctl *ctl, const char *name)
{
	json_t *list = json_array();

	(void)name;
	return ctl_show_list(
	    ctl, ctl->admin.store->tokens(&ctl->admin, list), list, &view);
}

int
command_token_remove(struct ctl *ctl, const char *name)
{
	int code = ctl_changed(ctl, "token rm", name,
	    ctl->admin.store->token_remove(&ctl->admin, name));

	if (code == EX_OK && ctl->options.json)
		return report_json(json_pack("{s:s}", "removed", name));
	return code;
}
