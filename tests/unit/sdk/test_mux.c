/* SPDX-License-Identifier: MIT */
/*
 * Shared channels. The table of docs/PROTOCOL.md section 8.2 holds for each visit: its rows are
 * scripts as in test_stream.c, a letter for what one side does, and what it came to is letters
 * again. They are played alone at every cut, and each beside each other one, turn by turn. What
 * concerns the channel as a whole has scripts whose letters name a visit: "O1O2D1".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

#define VISITS 3
#define WINDOW 1024
#define NUMBERS 64 /* the most that a test opens */

static const struct taupe_service services[] = {
    {"web", TAUPE_HTTP}, {"ssh", TAUPE_TCP}};
static const struct taupe_config config = {
    .name = "alice",
    .services = services,
    .n_services = COUNT(services),
    .mux_visits = VISITS,
    .mux_window = WINDOW,
    .random_cb = test_random_cb,
};
static const struct taupe_relay relay = {"r1.example.com", 8000, false};
static const char id[] = "0c5f1a3e9d7b42868e0f6a1b2c3d4e5f";

struct bench {
	struct taupe_mux mux;
	struct taupe_visit visits[VISITS];
	uint8_t buffer[1024];
	size_t cut;		    /* longest piece that is handed in */
	unsigned number_at[VISITS]; /* which visit has this place, for us */
	size_t place_of[NUMBERS];
	char channel[200];	  /* what happened to the channel */
	char visit[NUMBERS][200]; /* and to each visit */
	char all[2000];		  /* all of it, with the visits' numbers */
	size_t payload_bytes;
};

static void
note(struct bench *b, unsigned visit, const char *what)
{
	char *trace = visit == 0 ? b->channel : b->visit[visit], with[16];

	ck_assert_uint_lt(visit, NUMBERS);
	ck_assert_uint_lt(strlen(trace) + strlen(what), sizeof(b->channel));
	strcat(trace, what);
	snprintf(with, sizeof(with), visit == 0 ? "%s" : "%s%u", what, visit);
	if (strlen(b->all) + strlen(with) < sizeof(b->all))
		strcat(b->all, with);
}

static void
note_message(struct bench *b, const char *text)
{
	static const struct {
		const char *op, *letter;
	} ops[] = {
	    {"op=opened&", "o"},
	    {"op=refused&", "r"},
	    {"op=abort&", "a"},
	    {"op=credit&", "c"},
	    {"op=moved&", "m"},
	    {"op=stays&", "s"},
	};
	const char *visit = strstr(text, "visit=");

	ck_assert_ptr_nonnull(visit);
	for (size_t i = 0; i < COUNT(ops); i++)
		if (strncmp(text, ops[i].op, strlen(ops[i].op)) == 0) {
			note(b, (unsigned)atoi(visit + 6), ops[i].letter);
			return;
		}
	ck_abort_msg("a message that no agent sends: %s", text);
}

/* What goes to the relay. */
static void
note_sent(struct bench *b, const uint8_t *data, size_t len)
{
	uint8_t copy[TAUPE_MESSAGE_MAX], *at = copy;
	char text[TAUPE_MESSAGE_MAX];

	memcpy(copy, data, len);
	while (len > 0) {
		size_t before = len;

		memset(text, 0, sizeof(text));
		switch (agent_frame(&at, &len, text, sizeof(text))) {
		case WS_OP_TEXT:
			note_message(b, text);
			break;
		case WS_OP_BINARY:
			ck_assert_uint_ge(before - len, 6 + 4);
			ck_assert_mem_eq(text, "\0\0\0", 3);
			note(b, (unsigned)text[3], text[4] == 0 ? "e" : "b");
			break;
		case WS_OP_PONG:
			note(b, 0, "g");
			break;
		case WS_OP_CLOSE:
			note(b, 0, "x");
			break;
		default:
			ck_abort_msg("a frame that no agent sends");
		}
	}
}

static void
note_payload(struct bench *b, unsigned visit, const struct taupe_step *step)
{
	b->payload_bytes += step->payload_len;
	for (size_t i = 0; i < step->payload_len; i++)
		if (step->payload[i] != '#')
			note(b, visit, (char[]){(char)step->payload[i], '\0'});
}

static void
note_step(struct bench *b, const struct taupe_step *step, unsigned opened)
{
	static const char *const letters[] = {
	    [TAUPE_STEP_EOF] = "E",
	    [TAUPE_STEP_ABORT] = "A",
	    [TAUPE_STEP_CREDIT] = "K",
	    [TAUPE_STEP_MOVED] = "M",
	};

	switch (step->type) {
	case TAUPE_STEP_NONE:
		break;
	case TAUPE_STEP_READY:
		note(b, 0, "R");
		break;
	case TAUPE_STEP_CLOSED:
		note(b, 0, "C");
		break;
	case TAUPE_STEP_FAILED:
		ck_assert_uint_gt(strlen(step->reason), 0);
		note(b, 0, "F");
		break;
	case TAUPE_STEP_OPEN:
		ck_assert_uint_lt(step->visit, VISITS);
		b->number_at[step->visit] = opened;
		b->place_of[opened] = step->visit;
		note(b, opened, step->service == 0 ? "O" : "S");
		break;
	case TAUPE_STEP_DATA:
		note_payload(b, b->number_at[step->visit], step);
		break;
	default:
		ck_assert_uint_lt(step->visit, VISITS);
		note(b, b->number_at[step->visit], letters[step->type]);
	}
}

static void
hear(struct bench *b, const struct bytes *in)
{
	for (size_t from = 0; from < in->len; from += b->cut) {
		size_t len = in->len - from < b->cut ? in->len - from : b->cut;
		uint8_t *data = guarded(in->data + from, len);

		while (len > 0) {
			struct taupe_step step;
			size_t done =
			    taupe_mux_input(&b->mux, data, len, &step);

			ck_assert_uint_gt(done, 0);
			ck_assert_uint_le(done, len);
			if (step.type == TAUPE_STEP_DATA) {
				ck_assert(step.payload >= data);
				ck_assert(step.payload + step.payload_len <=
				    data + done);
			}
			note_step(b, &step, taupe_mux_visit(&b->mux));
			note_sent(b, step.output.bytes, step.output.len);
			data += done;
			len -= done;
		}
	}
}

static void
start_with(struct bench *b, size_t cut, const struct taupe_config *with,
    const struct taupe_relay *to)
{
	struct bytes in = {.len = 0};
	const uint8_t *request;
	size_t len;

	memset(b, 0, sizeof(*b));
	/* the driver's memory is as it comes */
	memset(b->visits, 0xa5, sizeof(b->visits));
	b->cut = cut;
	ck_assert(taupe_mux_init(&b->mux, with, to, id, b->visits, VISITS,
	    b->buffer, sizeof(b->buffer)));
	ck_assert(!taupe_mux_is_idle(&b->mux));
	request = taupe_mux_request(&b->mux, &len);
	ck_assert_ptr_nonnull(strstr((const char *)request, id));
	relay_accept(&in, request, len);
	hear(b, &in);
	ck_assert_str_eq(b->channel, "R");
	ck_assert(taupe_mux_is_idle(&b->mux));
	b->channel[0] = b->all[0] = '\0';
}

static void
start(struct bench *b, size_t cut)
{
	start_with(b, cut, &config, &relay);
}

/* ---- the relay ---- */

/* A binary frame of a visit, or one of its fragments. */
static void
add_frame(struct bytes *in, uint8_t first, const void *data, size_t len)
{
	uint8_t header[4] = {first, (uint8_t)len};
	size_t header_len = 2;

	if (len > 125) {
		header[1] = 126;
		header[2] = (uint8_t)(len >> 8);
		header[3] = (uint8_t)len;
		header_len = 4;
	}
	bytes_add(in, header, header_len);
	bytes_add(in, data, len);
}

static void
add_payload(struct bytes *in, unsigned visit, size_t count)
{
	uint8_t data[4 + 2 * WINDOW] = {0, 0, 0, (uint8_t)visit};

	memset(data + 4, '#', count);
	add_frame(in, 0x82, data, 4 + count);
}

static void
add_text(struct bytes *in, const char *format, unsigned visit)
{
	char text[200];

	snprintf(text, sizeof(text), format, visit);
	relay_text(in, text);
}

static void
add_bytes_of(struct bytes *in, char what, unsigned visit)
{
	uint8_t v = (uint8_t)visit;

	switch (what) {
	case 'D': /* payload, cut amid the prefix and behind it, a ping between */
		add_frame(in, 0x02, "\0\0", 2);
		relay_frame(in, WS_OP_PONG, "", 0);
		add_frame(in, 0x00, (uint8_t[]){0, v}, 2);
		add_frame(in, 0x00, "x", 1);
		add_frame(in, 0x80, "y", 1);
		break;
	case 'Y': /* payload whose last fragment is empty: no end */
		add_frame(in, 0x02, (uint8_t[]){0, 0, 0, v, 'x'}, 5);
		add_frame(in, 0x80, "", 0);
		break;
	case 'E':
		add_frame(in, 0x82, (uint8_t[]){0, 0, 0, v}, 4);
		break;
	case 'V': /* the end in fragments */
		add_frame(in, 0x02, "", 0);
		add_frame(in, 0x00, (uint8_t[]){0, 0, 0, v}, 4);
		add_frame(in, 0x80, "", 0);
		break;
	case 'W': /* a whole window */
		add_payload(in, visit, WINDOW);
		break;
	case 'H': /* half of it */
		add_payload(in, visit, WINDOW / 2);
		break;
	default:
		ck_abort_msg("no such letter: %c", what);
	}
}

/* What the relay does: capital letters. */
static void
relay_does(struct bench *b, char what, unsigned visit)
{
	struct bytes in = {.len = 0};

	switch (what) {
	case 'O':
		add_text(&in, "op=open&visit=%u&service=web&from=192.0.2.1:5",
		    visit);
		break;
	case 'S':
		/* where a visit comes from is none of a shared channel's matters */
		add_text(&in,
		    "op=open&visit=%u&service=ssh&stream=1&shared="
		    "0c5f1a3e9d7b42868e0f6a1b2c3d4e5f",
		    visit);
		break;
	case 'N': /* a service that is not ours */
		add_text(&in, "op=open&visit=%u&service=none", visit);
		break;
	case 'A':
		add_text(&in, "op=abort&visit=%u&reason=reset", visit);
		break;
	case 'L': /* about no visit at all */
		relay_text(&in, "op=abort");
		break;
	case 'K':
		add_text(&in, "op=credit&visit=%u&bytes=100", visit);
		break;
	case 'M':
		add_text(&in, "op=moved&visit=%u", visit);
		break;
	case 'T': /* the agent's to say */
		add_text(&in, "op=stays&visit=%u", visit);
		break;
	case 'G':
		add_text(&in, "op=opened&visit=%u", visit);
		break;
	case 'U':
		add_text(&in, "op=dance&visit=%u", visit);
		break;
	case 'P':
		relay_frame(&in, WS_OP_PING, "probe", 5);
		break;
	case 'B': /* shorter than its prefix */
		add_frame(&in, 0x82, "\0\0\0", 3);
		break;
	case 'Z':
		add_frame(&in, 0x82, "", 0);
		break;
	case 'C':
		relay_close(&in, 1000, "idle");
		break;
	default:
		add_bytes_of(&in, what, visit);
	}
	hear(b, &in);
}

/* ---- the driver ---- */

static size_t
frame(struct bench *b, size_t place, const char *payload, uint8_t *out)
{
	uint8_t mask[4];
	size_t len = strlen(payload), header;

	header = taupe_mux_frame(&b->mux, place, len, out, mask);
	if (header == 0)
		return 0;
	memcpy(out + header, payload, len);
	taupe_mask(out + header, len, mask, 0);
	return header + len;
}

static size_t
move(struct bench *b, unsigned visit, uint8_t *out)
{
	size_t place;

	if (!taupe_mux_find(&b->mux, visit, &place))
		return taupe_mux_stay(&b->mux, visit, out);
	ck_assert_uint_eq(place, b->place_of[visit]);
	return taupe_mux_move(&b->mux, place, out);
}

/* What the driver does: small letters. Nothing, if the visit is over: its place may be another's. */
static void
agent_does(struct bench *b, char what, unsigned visit)
{
	size_t place = b->place_of[visit], len = 0;
	uint8_t out[TAUPE_MESSAGE_MAX];

	if (what == 'm')
		len = move(b, visit, out);
	else if (what == 'x')
		len = taupe_mux_close(&b->mux, out);
	else if (b->number_at[place] != visit)
		return;
	else if (what == 'o')
		len = taupe_mux_opened(&b->mux, place, out);
	else if (what == 'r')
		len = taupe_mux_refused(&b->mux, place, "no\nservice", out);
	else if (what == 'e')
		len = taupe_mux_eof(&b->mux, place, out);
	else if (what == 'a')
		len = taupe_mux_abort(&b->mux, place, out);
	else if (what == 'b')
		len = frame(b, place, "abc", out);
	else if (what == 'c')
		len = taupe_mux_credit(&b->mux, place, WINDOW / 2, out);
	else
		ck_abort_msg("no such letter: %c", what);
	note_sent(b, out, len);
}

static void
does(struct bench *b, char what, unsigned visit)
{
	if (what >= 'A' && what <= 'Z')
		relay_does(b, what, visit);
	else
		agent_does(b, what, visit);
}

/* Is it over, for us at least? '.' or '!' */
static void
note_state(struct bench *b, unsigned visit)
{
	size_t place = b->place_of[visit];

	note(b, visit,
	    b->number_at[place] != visit || taupe_mux_is_over(&b->mux, place)
		? "."
		: "!");
}

/* ---- the rows ---- */

static const struct {
	const char *script, *trace; /* of one visit; O is the first letter */
} rows[] = {
    {"OoDbEe", "OoxybEe."},
    {"ODobeE", "OxyobeE."},
    {"OoYDeE", "OoxxyeE."},
    {"ODVoe", "OxyEoe."},
    {"Nob", "r."},
    {"NE", "r."},
    {"NDA", "r."},
    {"SEe", "SEe."},
    {"Ob", "Ob!"},
    {"Obo", "Ob!"},
    {"Oee", "Oe!"},
    {"Oeo", "Oe!"},
    {"Oeb", "Oe!"},
    {"OEeA", "OEe."},
    {"OEeU", "OEe."},
    {"OEeKM", "OEe."},
    /* dialling */
    {"OAo", "OAa."},
    {"OEr", "OEr."},
    {"Or", "Or!"},
    {"OrE", "Or."},
    {"OrDDE", "Or."},
    {"OrA", "Or."},
    {"OrK", "Or!"},
    {"OEoe", "OEoe."},
    /* both directions open */
    {"OoA", "OoAa."},
    {"OoAb", "OoAa."},
    {"OoAe", "OoAa."},
    {"OoAa", "OoAa."},
    {"Ooa", "Ooa!"},
    {"OoaDE", "Ooa."},
    {"OoaDA", "Ooa."},
    {"OoaKE", "Ooa."},
    {"Oor", "Ooa!"},
    /* our direction has ended */
    {"OoeDE", "OoexyE."},
    {"OoeA", "OoeA."},
    {"OoeaDE", "Ooea."},
    {"OoeaA", "Ooea."},
    {"OoeKE", "OoeE."},
    /* the relay's direction has ended */
    {"OoEA", "OoEAa."},
    {"OoEa", "OoEa."},
    {"OoEbe", "OoEbe."},
    {"OoEKbe", "OoEKbe."},
    /* credit */
    {"OoKbK", "OoKbK!"},
    {"OoDcHc", "Ooxycc!"},
    {"OoEc", "OoE!"},
    {"OoeHc", "Ooec!"},
    {"Ooac", "Ooa!"},
    /* moving */
    {"OomM", "OomM."},
    {"OoDmDM", "OoxymxyM."},
    {"OomDbeaorcM", "OomxyM."}, /* our last word was said */
    {"OoemDM", "OoemxyM."},
    {"OomKM", "OomM."},
    {"OomA", "OomA."},
    {"OomDA", "OomxyA."},
    {"OomMA", "OomM."},
    {"OommM", "OomsM."},
    {"OomMm", "OomMs."},
    {"OEm", "OEs!"},
    {"Ooam", "Ooas!"},
    {"Orm", "Ors!"},
    {"OoEem", "OoEes."},
    {"OoAm", "OoAas."},
};

static void
check_visit(struct bench *b, unsigned visit, size_t row, size_t cut)
{
	note_state(b, visit);
	ck_assert_msg(strcmp(b->visit[visit], rows[row].trace) == 0,
	    "script %s, cut %zu: %s, not %s", rows[row].script, cut,
	    b->visit[visit], rows[row].trace);
	ck_assert_str_eq(b->channel, "");
}

START_TEST(rows_alone_at_every_cut)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		for (size_t cut = 1; cut <= 70; cut++) {
			struct bench b;

			start(&b, cut == 70 ? 4096 : cut);
			for (const char *at = rows[i].script; *at != '\0'; at++)
				does(&b, *at, 1);
			check_visit(&b, 1, i, cut);
		}
}
END_TEST

/* Visit 1 plays one row, visit 2 another, and visit 3 comes and goes. */
static void
play_beside(size_t first, size_t second, size_t cut)
{
	const char *one = rows[first].script, *two = rows[second].script;
	unsigned guest = 3;
	struct bench b;

	start(&b, cut);
	does(&b, *one++, 1);
	does(&b, *two++, 2);
	while (*one != '\0' || *two != '\0') {
		relay_does(&b, 'O', guest);
		if (*one != '\0')
			does(&b, *one++, 1);
		relay_does(&b, 'Y', guest);
		if (*two != '\0')
			does(&b, *two++, 2);
		agent_does(&b, 'b', guest);
		relay_does(&b, 'E', guest);
		agent_does(&b, 'e', guest);
		ck_assert_str_eq(b.visit[guest], "OxbEe");
		guest++;
	}
	check_visit(&b, 1, first, cut);
	check_visit(&b, 2, second, cut);
}

START_TEST(rows_beside_each_other)
{
	/* each beside eight others: all pairs take a minute under sanitizers */
	for (size_t i = 0; i < COUNT(rows); i++)
		for (size_t j = i; j < i + 8; j++) {
			play_beside(i, j % COUNT(rows), 1);
			play_beside(i, j % COUNT(rows), 4096);
		}
}
END_TEST

static const struct {
	const char *script,
	    *trace; /* letters and numbers; '.': idle, '!': not */
} scripts[] = {
    {"", "."},
    {"P", "g."},
    {"O1PO2P", "O1gO2g!"},
    {"O1O2O3E2e2O4E1e1O5", "O1O2O3E2e2O4E1e1O5!"},
    {"O1O2D2D1e1e2E2E1", "O1O2x2y2x1y1e1e2E2E1."},
    {"O1O2A1D2K2b2", "O1O2A1a1x2y2K2b2!"},
    {"N1", "r1!"},
    {"N1E1", "r1."},
    {"O1O2O3r1r2r3E2E1E3O4", "O1O2O3r1r2r3O4!"},
    /* a place is taken until both directions have ended */
    {"O1O2O3a1O4", "O1O2O3a1Fx!"},
    {"O1O2O3m1O4", "O1O2O3m1Fx!"},
    {"O1O2O3m1M1O4", "O1O2O3m1M1O4!"},
    {"O1O2O3O4", "O1O2O3Fx!"},
    /* out of turn */
    {"O2", "Fx!"},
    {"O1O1", "O1Fx!"},
    {"O1O3", "O1Fx!"},
    {"O1E1e1O1", "O1E1e1Fx!"},
    /* payload that has no place */
    {"D1", "Fx!"},
    {"E1", "Fx!"},
    {"O1D2", "O1Fx!"},
    {"O1E1D1", "O1E1Fx!"},
    {"O1E1E1", "O1E1Fx!"},
    {"O1E1e1D1", "O1E1e1Fx!"},
    {"O1A1D1", "O1A1a1Fx!"},
    {"O1r1E1D1", "O1r1Fx!"},
    {"O1m1E1", "O1m1Fx!"},
    {"O1m1M1D1", "O1m1M1Fx!"},
    {"B", "Fx!"},
    {"Z", "Fx!"},
    {"O1B", "O1Fx!"},
    /* the window, and what credit adds */
    {"O1W1", "O1!"},
    {"O1W1Y1", "O1Fx!"},
    {"O1W1c1H1Y1", "O1c1Fx!"},
    {"O1W1c1c1W1E1", "O1c1c1E1!"},
    {"O1H1H1Y1", "O1Fx!"},
    {"O1O2W1W2Y1", "O1O2Fx!"},
    {"O1a1W1Y1", "O1a1Fx!"}, /* though it is discarded */
    {"O1W1E1e1O2W2", "O1E1e1O2!"},
    /* late texts */
    {"A1K1M1", "."},
    {"A9", "."},
    {"O1E1e1A1K1M1", "O1E1e1."},
    /* malformed, misplaced, unknown */
    {"L", "Fx!"},
    {"U1", "."},
    {"O1T1", "O1Fx!"},
    {"O1G1", "O1Fx!"},
    {"O1M1", "O1Fx!"},
    {"O1a1M1", "O1a1Fx!"},
    {"m7", "s7."},
    /* the end of the channel */
    {"C", "Cx!"},
    {"O1C", "O1Cx!"},
    {"O1CD1b1e1a1o1m1c1", "O1Cx!"},
    {"O1xD1b1e1a1r1m1c1", "O1x!"},
    {"xx", "x!"},
};

static void
play(struct bench *b, const char *script)
{
	for (; *script != '\0'; script++) {
		char what = *script;

		if (script[1] >= '0' && script[1] <= '9')
			does(b, what, (unsigned)(*++script - '0'));
		else
			does(b, what, 1);
	}
	strcat(b->all, taupe_mux_is_idle(&b->mux) ? "." : "!");
}

START_TEST(scripts_of_the_channel_at_every_cut)
{
	for (size_t i = 0; i < COUNT(scripts); i++)
		for (size_t cut = 1; cut <= 70; cut++) {
			struct bench b;

			start(&b, cut == 70 ? 4096 : cut);
			play(&b, scripts[i].script);
			ck_assert_msg(strcmp(b.all, scripts[i].trace) == 0,
			    "script %s, cut %zu: %s, not %s", scripts[i].script,
			    cut, b.all, scripts[i].trace);
		}
}
END_TEST

START_TEST(faults_say_what_is_wrong)
{
	static const struct {
		const char *before;
		char fault;
		unsigned visit;
		const char *reason;
	} faults[] = {
	    {"", 'O', 2, "open with a visit out of turn"},
	    {"O1O2O3", 'O', 4, "more visits at once than were offered"},
	    {"", 'E', 1, "payload without a visit"},
	    {"O1E1", 'Y', 1, "payload after its end"},
	    {"O1E1", 'E', 1, "an end after the end"},
	    {"O1W1", 'Y', 1, "payload beyond the window"},
	    {"O1m1", 'E', 1, "an end in place of the last word"},
	    {"", 'B', 1, "a binary message shorter than its prefix"},
	    {"O1", 'M', 1, "moved, and the visit was not to move"},
	    {"O1", 'T', 1, "a message that has no place on a shared channel"},
	};

	for (size_t i = 0; i < COUNT(faults); i++) {
		struct bytes in = {.len = 0};
		struct taupe_step step;
		struct bench b;
		size_t done;

		start(&b, 4096);
		play(&b, faults[i].before);
		if (faults[i].fault == 'O')
			add_text(&in, "op=open&visit=%u&service=web",
			    faults[i].visit);
		else if (faults[i].fault == 'M' || faults[i].fault == 'T')
			add_text(&in,
			    faults[i].fault == 'M' ? "op=moved&visit=%u"
						   : "op=stays&visit=%u",
			    faults[i].visit);
		else if (faults[i].fault == 'B')
			add_frame(&in, 0x82, "\0\0\0", 3);
		else
			add_bytes_of(&in, faults[i].fault, faults[i].visit);
		done = taupe_mux_input(&b.mux, in.data, in.len, &step);
		ck_assert_uint_le(done, in.len);
		ck_assert_int_eq(step.type, TAUPE_STEP_FAILED);
		ck_assert_str_eq(step.reason, faults[i].reason);
		ck_assert_uint_gt(step.output.len, 0);
	}
}
END_TEST

/* ---- credit ---- */

START_TEST(credit_is_counted_in_both_directions)
{
	uint8_t header[TAUPE_MUX_HEADER_MAX], mask[4];
	struct bench b;
	size_t place;

	start(&b, 4096);
	play(&b, "O1O2");
	place = b.place_of[1];
	ck_assert_uint_eq(
	    taupe_mux_frame(&b.mux, place, TAUPE_MUX_WINDOW + 1, header, mask),
	    0);
	ck_assert_uint_gt(
	    taupe_mux_frame(&b.mux, place, 60000, header, mask), 0);
	ck_assert_uint_eq(taupe_mux_frame(&b.mux, place,
			      TAUPE_MUX_WINDOW - 60000 + 1, header, mask),
	    0);
	ck_assert_uint_gt(taupe_mux_frame(&b.mux, place,
			      TAUPE_MUX_WINDOW - 60000, header, mask),
	    0);
	ck_assert_uint_eq(taupe_mux_frame(&b.mux, place, 1, header, mask), 0);
	/* the other has its own */
	ck_assert_uint_gt(taupe_mux_frame(&b.mux, b.place_of[2],
			      TAUPE_MUX_WINDOW, header, mask),
	    0);
	relay_does(&b, 'K', 1);
	ck_assert_uint_eq(taupe_mux_frame(&b.mux, place, 101, header, mask), 0);
	ck_assert_uint_gt(taupe_mux_frame(&b.mux, place, 100, header, mask), 0);
}
END_TEST

START_TEST(credit_beyond_what_can_be_counted_is_a_fault)
{
	size_t fit = (INT32_MAX - TAUPE_MUX_WINDOW) / 16777216;
	struct bytes in = {.len = 0};
	struct bench b;

	start(&b, 4096);
	play(&b, "O1");
	add_text(&in, "op=credit&visit=%u&bytes=16777216", 1);
	for (size_t i = 0; i < fit; i++)
		hear(&b, &in);
	ck_assert_str_eq(b.channel, "");
	ck_assert_uint_eq(strlen(b.visit[1]), strlen("O") + fit);
	hear(&b, &in);
	ck_assert_str_eq(b.channel, "Fx");
}
END_TEST

START_TEST(credit_says_how_much)
{
	struct bytes in = {.len = 0};
	struct taupe_step step;
	struct bench b;
	uint8_t out[TAUPE_MESSAGE_MAX], *at = out;
	char text[TAUPE_MESSAGE_MAX];
	size_t len;

	start(&b, 4096);
	play(&b, "O1O2");
	add_text(&in, "op=credit&visit=%u&bytes=32768", 2);
	ck_assert_uint_eq(
	    taupe_mux_input(&b.mux, in.data, in.len, &step), in.len);
	ck_assert_int_eq(step.type, TAUPE_STEP_CREDIT);
	ck_assert_uint_eq(step.visit, b.place_of[2]);
	ck_assert_uint_eq(step.bytes, 32768);
	len = taupe_mux_credit(&b.mux, b.place_of[2], 777, out);
	ck_assert_int_eq(
	    agent_frame(&at, &len, text, sizeof(text)), WS_OP_TEXT);
	ck_assert_str_eq(text, "op=credit&visit=2&bytes=777");
	ck_assert_uint_eq(taupe_mux_credit(&b.mux, b.place_of[2], 0, out), 0);
}
END_TEST

/* ---- frames ---- */

START_TEST(frame_has_the_prefix_under_its_mask)
{
	static const struct {
		size_t len, header;
	} sizes[] = {{1, 10}, {121, 10}, {122, 12}, {60000, 12}, {65531, 12},
	    {65532, 18}, {65536, 18}};
	static const struct {
		bool secure, trusted;
	} paths[] = {{false, false}, {true, false}, {false, true}};
	static const uint8_t zero[4];

	for (size_t i = 0; i < COUNT(sizes) * COUNT(paths); i++) {
		bool secure = paths[i % COUNT(paths)].secure;
		bool trusted = paths[i % COUNT(paths)].trusted;
		size_t len = sizes[i / COUNT(paths)].len, header_len, consumed;
		uint8_t header[TAUPE_MUX_HEADER_MAX], mask[4], prefix[4];
		struct taupe_relay to = relay;
		struct taupe_config own = config;
		struct ws_header decoded;
		struct bench b;

		to.secure = secure;
		own.trusted_path = trusted;
		start_with(&b, 4096, &own, &to);
		play(&b, "O1E1e1O2");
		header_len =
		    taupe_mux_frame(&b.mux, b.place_of[2], len, header, mask);
		ck_assert_uint_eq(header_len, sizes[i / COUNT(paths)].header);
		ck_assert_int_eq(
		    ws_header_decode(header, header_len, &decoded, &consumed),
		    WIRE_DONE);
		ck_assert_uint_eq(decoded.length, len + 4);
		ck_assert_uint_eq(consumed, header_len - 4);
		ck_assert_mem_eq(decoded.mask, mask, 4);
		ck_assert_int_eq(memcmp(mask, zero, 4) == 0, secure || trusted);
		memcpy(prefix, header + consumed, 4);
		taupe_mask(prefix, 4, mask, 0);
		ck_assert_mem_eq(prefix, "\0\0\0\2", 4);
		ck_assert_uint_eq(
		    taupe_mux_frame(&b.mux, b.place_of[2], 0, header, mask), 0);
	}
}
END_TEST

/* ---- places ---- */

/* Whatever comes and goes, each visit is found, and the places are used up and given back. */
START_TEST(places_are_found_and_given_back)
{
	enum { MANY = 200, ROUNDS = 20000 };
	static struct taupe_visit visits[MANY];
	static unsigned number_at[MANY];
	static struct taupe_mux mux;
	uint8_t buffer[1024], out[TAUPE_MESSAGE_MAX];
	unsigned last = 0, n_running = 0, seed = 1;
	struct bytes in = {.len = 0};
	struct taupe_step step;
	const uint8_t *request;
	size_t len;

	ck_assert(taupe_mux_init(
	    &mux, &config, &relay, id, visits, MANY, buffer, sizeof(buffer)));
	request = taupe_mux_request(&mux, &len);
	relay_accept(&in, request, len);
	ck_assert_uint_eq(
	    taupe_mux_input(&mux, in.data, in.len, &step), in.len);
	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t place;

		seed = seed * 1664525 + 1013904223;
		place = (seed >> 8) % MANY;
		in.len = 0;
		if (n_running < MANY && number_at[place] == 0) {
			add_text(&in, "op=open&visit=%u&service=web", ++last);
			ck_assert_uint_eq(
			    taupe_mux_input(&mux, in.data, in.len, &step),
			    in.len);
			ck_assert_int_eq(step.type, TAUPE_STEP_OPEN);
			ck_assert_uint_eq(number_at[step.visit], 0);
			number_at[step.visit] = last;
			n_running++;
		} else if (number_at[place] != 0) {
			add_text(&in, "op=abort&visit=%u", number_at[place]);
			ck_assert_uint_eq(
			    taupe_mux_input(&mux, in.data, in.len, &step),
			    in.len);
			ck_assert_int_eq(step.type, TAUPE_STEP_ABORT);
			ck_assert_uint_eq(step.visit, place);
			ck_assert(taupe_mux_is_over(&mux, place));
			number_at[place] = 0;
			n_running--;
		}
		ck_assert_int_eq(taupe_mux_is_idle(&mux), n_running == 0);
	}
	ck_assert_uint_gt(taupe_mux_close(&mux, out), 0);
}
END_TEST

START_TEST(open_names_place_service_and_visitor)
{
	struct bytes in = {.len = 0};
	struct taupe_step step;
	struct bench b;

	start(&b, 4096);
	relay_text(&in, "op=open&visit=1&service=ssh&from=[2001:db8::1]:40022");
	ck_assert_uint_eq(
	    taupe_mux_input(&b.mux, in.data, in.len, &step), in.len);
	ck_assert_int_eq(step.type, TAUPE_STEP_OPEN);
	ck_assert_uint_eq(step.service, 1);
	ck_assert_uint_lt(step.visit, VISITS);
	ck_assert_uint_eq(step.from.len, 19);
	ck_assert_int_eq(memcmp(step.from.ptr, "[2001:db8::1]:40022", 19), 0);
	ck_assert_uint_eq(taupe_mux_visit(&b.mux), 1);
	ck_assert(!taupe_mux_is_over(&b.mux, step.visit));
}
END_TEST

START_TEST(reason_for_a_refusal_is_made_safe_and_short)
{
	char reason[102], text[TAUPE_MESSAGE_MAX];
	uint8_t out[TAUPE_MESSAGE_MAX], *at = out;
	struct bytes in = {.len = 0};
	struct taupe_step step;
	struct bench b;
	size_t len;

	memset(reason, 'x', sizeof(reason) - 1);
	reason[0] = (char)0xc3;
	reason[sizeof(reason) - 1] = '\0';
	start(&b, 4096);
	relay_text(&in, "op=open&visit=1&service=ssh");
	ck_assert_uint_eq(
	    taupe_mux_input(&b.mux, in.data, in.len, &step), in.len);
	len = taupe_mux_refused(&b.mux, step.visit, reason, out);
	ck_assert_int_eq(
	    agent_frame(&at, &len, text, sizeof(text)), WS_OP_TEXT);
	ck_assert_int_eq(
	    strncmp(text, "op=refused&visit=1&reason=%3Fxx", 31), 0);
	ck_assert_uint_eq(
	    strlen(text), strlen("op=refused&visit=1&reason=%3F") + 99);
}
END_TEST

START_TEST(default_window_is_the_protocols)
{
	struct taupe_config own = config;
	struct bench b;

	own.mux_window = 0;
	start_with(&b, 4096, &own, &relay);
	play(&b, "O1");
	for (size_t i = 0; i < TAUPE_MUX_WINDOW / WINDOW; i++)
		relay_does(&b, 'W', 1);
	ck_assert_uint_eq(b.payload_bytes, TAUPE_MUX_WINDOW);
	ck_assert_str_eq(b.channel, "");
	relay_does(&b, 'Y', 1);
	ck_assert_str_eq(b.channel, "Fx");
}
END_TEST

START_TEST(another_buffer_serves_from_the_handshake_on)
{
	uint8_t small[TAUPE_BUFFER_MIN];
	struct bench b;

	for (size_t cut = 1; cut < 80; cut += 7) {
		start(&b, cut);
		taupe_mux_set_buffer(&b.mux, small, sizeof(small));
		memset(b.buffer, 0xff, sizeof(b.buffer));
		play(&b, "O1A1");
		ck_assert_str_eq(b.all, "O1A1a1.");
		for (size_t i = 0; i < sizeof(b.buffer); i++)
			ck_assert_uint_eq(b.buffer[i], 0xff);
	}
}
END_TEST

START_TEST(refused_handshake_is_told)
{
	char answer[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
	struct taupe_visit visits[1];
	struct taupe_mux mux;
	uint8_t buffer[TAUPE_BUFFER_MIN];
	struct taupe_step step;

	ck_assert(
	    !taupe_mux_init(&mux, &config, &relay, id, visits, 1, buffer, 100));
	ck_assert(taupe_mux_init(
	    &mux, &config, &relay, id, visits, 1, buffer, sizeof(buffer)));
	ck_assert_uint_gt(
	    taupe_mux_input(&mux, (uint8_t *)answer, strlen(answer), &step), 0);
	ck_assert_int_eq(step.type, TAUPE_STEP_FAILED);
	ck_assert_uint_eq(step.code, 404);
	ck_assert(!taupe_mux_is_idle(&mux));
	ck_assert(taupe_mux_is_over(&mux, 0));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    rows_alone_at_every_cut,
	    rows_beside_each_other,
	    scripts_of_the_channel_at_every_cut,
	    faults_say_what_is_wrong,
	    credit_is_counted_in_both_directions,
	    credit_beyond_what_can_be_counted_is_a_fault,
	    credit_says_how_much,
	    frame_has_the_prefix_under_its_mask,
	    places_are_found_and_given_back,
	    open_names_place_service_and_visitor,
	    reason_for_a_refusal_is_made_safe_and_short,
	    default_window_is_the_protocols,
	    another_buffer_serves_from_the_handshake_on,
	    refused_handshake_is_told,
	};

	return run_suite("mux", tests, COUNT(tests));
}
