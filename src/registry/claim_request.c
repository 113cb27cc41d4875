/* SPDX-License-Identifier: MIT */
#include "net/mux.h"
#include "registry/claim_request.h"
#include "wire/handshake.h"

static struct channel_terms
terms_of(const struct control_params *params)
{
	struct channel_terms terms = {.warm = (uint16_t)params->warm};

	if (params->mux == 0)
		return terms;
	terms.visits =
	    params->visits != 0 ? (uint16_t)params->visits : MUX_VISITS_DEFAULT;
	terms.window =
	    params->window != 0 ? (uint32_t)params->window : MUX_WINDOW;
	terms.ride = params->no_channels;
	return terms;
}

void
claim_take_request(
    struct claim *claim, const struct control_params *params, const char *from)
{
	(void)str_copy(params->name, claim->name, sizeof(claim->name));
	(void)str_copy(
	    params->instance, claim->instance, sizeof(claim->instance));
	(void)str_copy(str_of(from), claim->from, sizeof(claim->from));
	claim->channels = terms_of(params);
	claim->n_services = params->n_services;
	for (size_t i = 0; i < params->n_services; i++) {
		(void)str_copy(params->services[i].name,
		    claim->services[i].name, sizeof(claim->services[i].name));
		claim->services[i].kind = params->services[i].kind;
	}
}

bool
claim_write_location(const struct claim *claim, const char *relay_url,
    const struct claim_redirect *redirect, char *out, size_t cap)
{
	struct control_params params = {
	    .name = str_of(claim->name),
	    .instance = str_of(claim->instance),
	    .lease = redirect->lease,
	    .enrol = redirect->enrol,
	    .hops = redirect->hops,
	    .warm = claim->channels.warm,
	    .mux = claim->channels.visits > 0,
	    .visits = claim->channels.visits,
	    .window = claim->channels.window,
	    .no_channels = claim->channels.ride,
	    .n_services = claim->n_services,
	};
	struct writer w;

	for (size_t i = 0; i < claim->n_services; i++) {
		params.services[i].name = str_of(claim->services[i].name);
		params.services[i].kind = claim->services[i].kind;
	}
	writer_init(&w, out, cap - 1);
	writer_cstr(&w, relay_url);
	writer_cstr(&w, CONTROL_PATH "?");
	control_params_encode(&w, &params);
	*w.at = '\0';
	return !w.full;
}
