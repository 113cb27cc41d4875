/* SPDX-License-Identifier: MIT */
/*
 * The live screen. Seven sequences that every terminal since the VT100 knows, and termios, are all
 * that it takes: a library for screens would be the largest thing in this program.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sysexits.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "ctl/top.h"

#define ENTER "\033[?1049h\033[?25l" /* another screen, no cursor */
#define LEAVE "\033[?25h\033[?1049l"
#define HOME "\033[H"
#define CLEAR_LINE "\033[K"
#define CLEAR_BELOW "\033[J"
#define STATUS_MAX 256

static volatile sig_atomic_t ended, resized;

struct screen {
	struct top_source *source;
	struct termios cooked;
	struct top_view before, now;
	enum top_sort sort;
	char filter[TOP_FILTER_MAX + 1];
	bool typing; /* the filter */
	bool failed; /* the last look */
	bool quit;
};

static void
end_cb(int number)
{
	(void)number;
	ended = 1;
}

static void
resize_cb(int number)
{
	(void)number;
	resized = 1;
}

static void
catch_signals(void)
{
	/* no SA_RESTART: poll() is to end */
	struct sigaction end = {.sa_handler = end_cb},
			 resize = {.sa_handler = resize_cb};

	(void)sigaction(SIGINT, &end, NULL);
	(void)sigaction(SIGTERM, &end, NULL);
	(void)sigaction(SIGHUP, &end, NULL);
	(void)sigaction(SIGWINCH, &resize, NULL);
}

static void
put(const char *text)
{
	size_t left = strlen(text);
	ssize_t n;

	while (left > 0) {
		n = write(STDOUT_FILENO, text, left);
		if (n < 0 && errno != EINTR)
			return;
		text += n > 0 ? n : 0;
		left -= n > 0 ? (size_t)n : 0;
	}
}

/* The lines of a text, each to the end of its row, in one write: nothing flickers. */
static void
put_screen(const char *text)
{
	char *whole = NULL;
	size_t len;
	FILE *out = open_memstream(&whole, &len);

	if (out == NULL)
		return;
	fputs(HOME, out);
	for (; *text != '\0'; text++)
		if (*text == '\n')
			fputs(CLEAR_LINE "\n", out);
		else
			fputc(*text, out);
	fputs(CLEAR_LINE CLEAR_BELOW, out);
	if (fclose(out) == 0)
		put(whole);
	free(whole);
}

static void
write_status(const struct screen *screen, char out[STATUS_MAX])
{
	static const char *const orders[TOP_SORTS] = {
	    [TOP_BY_BYTES] = "bytes",
	    [TOP_BY_VISITS] = "visits",
	    [TOP_BY_NAME] = "names",
	};

	if (screen->failed && !screen->typing)
		snprintf(out, STATUS_MAX, "%.200s; trying again",
		    screen->source->error);
	else if (screen->typing)
		snprintf(
		    out, STATUS_MAX, "names that have: %s_", screen->filter);
	else
		snprintf(out, STATUS_MAX,
		    "q quit  s sorted by %s  / filter%s%s",
		    orders[screen->sort], screen->filter[0] ? ": " : "",
		    screen->filter);
}

static void
draw(struct screen *screen)
{
	struct winsize size = {.ws_row = 24, .ws_col = 80};
	char status[STATUS_MAX], *text = NULL;
	struct top_view shown = screen->now;
	size_t len;
	FILE *out;

	(void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	if (size.ws_row == 0 || size.ws_col == 0)
		size = (struct winsize){.ws_row = 24, .ws_col = 80};
	/* sorted and filtered as a copy: the filter may go again */
	shown.devices = calloc(shown.n_devices + 1, sizeof(*shown.devices));
	out = open_memstream(&text, &len);
	if (shown.devices != NULL && out != NULL) {
		if (shown.n_devices > 0)
			memcpy(shown.devices, screen->now.devices,
			    shown.n_devices * sizeof(*shown.devices));
		top_view_arrange(&shown, screen->sort, screen->filter);
		write_status(screen, status);
		top_write(&shown, size.ws_row, size.ws_col, status, out);
	}
	if (out != NULL && fclose(out) == 0)
		put_screen(text);
	free(text);
	free(shown.devices);
}

static void
look(struct screen *screen)
{
	struct top_view view;

	screen->failed = top_look(screen->source, &screen->now, &view) != 0;
	if (screen->failed)
		return; /* what was seen last stays */
	top_view_fini(&screen->now);
	screen->now = view;
}

static void
type_filter(struct screen *screen, char key)
{
	size_t len = strlen(screen->filter);

	if (key == '\r' || key == '\n') {
		screen->typing = false;
	} else if (key == '\033') {
		screen->typing = false;
		screen->filter[0] = '\0';
	} else if (key == '\177' || key == '\b') {
		screen->filter[len > 0 ? len - 1 : 0] = '\0';
	} else if (key > ' ' && key <= '~' && len < TOP_FILTER_MAX) {
		screen->filter[len] = key;
		screen->filter[len + 1] = '\0';
	}
}

static void
press(struct screen *screen, char key)
{
	if (screen->typing)
		type_filter(screen, key);
	else if (key == 'q')
		screen->quit = true;
	else if (key == 's')
		screen->sort = (screen->sort + 1) % TOP_SORTS;
	else if (key == '/')
		screen->typing = true;
}

static uint64_t
now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Keys and resizes until it is time to look again. */
static void
wait_until(struct screen *screen, uint64_t due_ms)
{
	struct pollfd poller = {.fd = STDIN_FILENO, .events = POLLIN};
	uint64_t now;
	char key;

	while (!screen->quit && !ended && (now = now_ms()) < due_ms) {
		int n = poll(&poller, 1, (int)(due_ms - now));

		if (n == 0)
			return;
		if (n > 0) {
			/* the terminal is gone */
			if (read(STDIN_FILENO, &key, 1) != 1)
				screen->quit = true;
			else
				press(screen, key);
		}
		if (resized)
			resized = 0;
		draw(screen);
	}
}

static int
enter(struct screen *screen)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &screen->cooked) != 0)
		return ctl_fail(EX_IOERR,
		    "the terminal does not let itself be "
		    "set: use --batch");
	raw = screen->cooked;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	/* stopped, it would leave the terminal as it is now */
	raw.c_cc[VSUSP] = _POSIX_VDISABLE;
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
	put(ENTER);
	return EX_OK;
}

int
top_run_screen(struct top_source *source)
{
	struct screen screen = {
	    .source = source, .sort = (enum top_sort)source->options->sort};
	int code;

	(void)str_copy(str_of(source->options->filter), screen.filter,
	    sizeof(screen.filter));
	catch_signals();
	if ((code = enter(&screen)) != EX_OK)
		return code;
	while (!screen.quit && !ended) {
		uint64_t due_ms =
		    now_ms() + (uint64_t)source->options->interval_ms;

		look(&screen);
		draw(&screen);
		wait_until(&screen, due_ms);
	}
	put(LEAVE);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &screen.cooked);
	top_view_fini(&screen.now);
	return EX_OK;
}
