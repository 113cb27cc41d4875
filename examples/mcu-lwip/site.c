/* SPDX-License-Identifier: MIT */
/*
 * A page with a counter and a temperature, the same numbers for programs, and a megabyte of a
 * known pattern, by which a visitor can tell how fast the tunnel is.
 */
#include "site.h"

#include <string.h>

#include "board.h"

#define PATTERN_LEN (1024u * 1024u)

static const char *name;
static uint32_t visitors;

static const char style[] =
    "<!doctype html><html lang=en><meta charset=utf-8>"
    "<meta name=viewport content='width=device-width'>"
    "<style>body{font:18px/1.5 system-ui,sans-serif;margin:0;min-height:100vh;"
    "display:grid;place-items:center;background:#eef1ec;color:#26302b}"
    "main{background:#fff;padding:2em 2.5em;border-radius:1em;"
    "box-shadow:0 .2em 1.5em #0001;max-width:26em}"
    "h1{margin:0 0 .6em;font-size:1.3em;font-weight:600}"
    "dl{display:grid;grid-template-columns:auto 1fr;gap:.3em 1.2em;margin:0}"
    "dt{color:#68746d}dd{margin:0;font-variant-numeric:tabular-nums}"
    "#t{font-size:1.8em;line-height:1}p{margin:1.2em 0 0;color:#68746d;"
    "font-size:.85em}a{color:inherit}</style>";

static void
write_uptime(struct text *t, uint32_t seconds)
{
	text_number(t, seconds / 3600);
	text_put(t, " h ");
	text_number(t, seconds / 60 % 60);
	text_put(t, " min ");
	text_number(t, seconds % 60);
	text_put(t, " s");
}

static void
write_page(const struct site_moment *moment, struct text *t)
{
	text_put(t, style);
	text_put(t, "<title>");
	text_put(t, name);
	text_put(t, "</title><main><h1>");
	text_put(t, name); /* of letters, digits, '.', '_' and '-' */
	text_put(t, "</h1><dl><dt>Temperature<dd><span id=t>");
	text_tenths(t, moment->temperature);
	text_put(t, "</span> °C<dt>Visitor<dd id=v>");
	text_number(t, moment->visitors);
	text_put(t, "<dt>Up for<dd id=u>");
	write_uptime(t, moment->uptime_s);
	text_put(t, "</dl><p>A microcontroller behind a tunnel. Temperature: ");
	text_put(t, board_sensor);
	text_put(t,
	    ". The same <a href=state.json>for programs</a>.</p></main>"
	    "<script>setInterval(async()=>{try{let s=await(await fetch("
	    "'state.json')).json();for(let k of 'tvu')document.getElementById("
	    "k).textContent=s[k]}catch(e){}},2000)</script>");
}

static void
write_state(const struct site_moment *moment, struct text *t)
{
	text_put(t, "{\"t\":\"");
	text_tenths(t, moment->temperature);
	text_put(t, "\",\"v\":");
	text_number(t, moment->visitors);
	text_put(t, ",\"u\":\"");
	write_uptime(t, moment->uptime_s);
	text_put(t, "\",\"uptime_s\":");
	text_number(t, moment->uptime_s);
	text_put(t, "}\n");
}

static char
pattern_byte(uint32_t place)
{
	return (char)(place * 31 + (place >> 8));
}

static void
write_pattern(const struct site_moment *moment, struct text *t)
{
	(void)moment;
	text_bytes(t, PATTERN_LEN, pattern_byte);
}

static const struct site_page pages[] = {
    {"/", "text/html; charset=utf-8", write_page},
    {"/state.json", "application/json", write_state},
    {"/pattern.bin", "application/octet-stream", write_pattern},
};

const struct site_page *
site_find(const char *path)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (strcmp(path, pages[i].path) == 0)
			return &pages[i];
	return NULL;
}

void
site_look(const struct site_page *page, struct site_moment *moment)
{
	if (page == &pages[0])
		visitors++;
	moment->visitors = visitors;
	moment->uptime_s = (uint32_t)(board_uptime_ms() / 1000);
	moment->temperature = board_temperature();
}

void
site_write_error(unsigned status, const char *phrase, struct text *t)
{
	text_put(t, style);
	text_put(t, "<title>");
	text_put(t, phrase);
	text_put(t, "</title><main><h1>");
	text_number(t, status);
	text_put(t, " ");
	text_put(t, phrase);
	text_put(t, "</h1><a href=/>The device's page</a></main>");
}

void
site_set_name(const char *device_name)
{
	name = device_name;
}
