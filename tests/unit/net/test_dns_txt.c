/* SPDX-License-Identifier: MIT */
/* What a TXT record has to say: whole answers, every one of their beginnings, and what nobody should send.
 * Asking is shown end to end. */
#include <check.h>
#include <stdlib.h>

#include "../guard.h"
#include "net/dns_txt.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define WANTED "proof=1"
#define GUARD_SIZE 65536

#define QUESTION "\001a\0\0\020\0\001"
#define HEAD(answers) "\0\0\x81\x80\0\001\0" answers "\0\0\0\0" QUESTION
#define RECORD(type, class, length) "\xc0\x0c\0" type "\0" class "\0\0\0\x3c\0" length
#define TXT(length) RECORD("\020", "\001", length)

static const struct {
	const char *data;
	size_t len;
	enum dns_txt_result result;
} answers[] = {
#define ROW(data, result)                                                      \
	{                                                                      \
		data, sizeof(data) - 1, result                                 \
	}
    ROW(HEAD("\001") TXT("\x08") "\x07proof=1", DNS_TXT_FOUND),
    /* in pieces, an empty one among them */
    ROW(HEAD("\001") TXT("\x0a") "\x02pr\0\005oof=1", DNS_TXT_FOUND),
    ROW(HEAD("\002") TXT("\x02") "\001x" TXT("\x08") "\x07proof=1",
	DNS_TXT_FOUND),
    /* behind an alias */
    ROW(HEAD("\002") RECORD("\005", "\001", "\003") "\001b\0" TXT(
	    "\x08") "\x07proof=1",
	DNS_TXT_FOUND),
    ROW(HEAD("\0"), DNS_TXT_NONE),
    ROW(HEAD("\001") RECORD("\001", "\001", "\x04") "\x7f\0\0\001",
	DNS_TXT_NONE),
    ROW(HEAD("\001") RECORD("\020", "\003", "\x08") "\x07proof=1",
	DNS_TXT_NONE), /* of another class */
    ROW(HEAD("\001") TXT("\x08") "\x07proof=2", DNS_TXT_OTHERS),
    ROW(HEAD("\001") TXT("\x07") "\x06proof=", DNS_TXT_OTHERS),
    ROW(HEAD("\001") TXT("\x09") "\x08proof=12", DNS_TXT_OTHERS),
    ROW(HEAD("\001") TXT("\0"), DNS_TXT_OTHERS),
    /* a string that is longer than its record */
    ROW(HEAD("\001") TXT("\x08") "\xffproof=1", DNS_TXT_OTHERS),
    ROW(HEAD("\001") TXT("\x08") "\x08proof=1", DNS_TXT_OTHERS),
    /* a record that is longer than the answer, a name that leads to itself, more than there are */
    ROW(HEAD("\001") TXT("\xff") "\x07proof=1", DNS_TXT_NONE),
    ROW(HEAD("\001") "\xc0\x13\0\020\0\001\0\0\0\0\0\x08\x07proof=1",
	DNS_TXT_NONE),
    ROW(HEAD("\xff") TXT("\x02") "\001x", DNS_TXT_NONE),
    ROW("", DNS_TXT_NONE),
};

/* With nothing behind it. */
static enum dns_txt_result
look(const char *data, size_t len)
{
	static uint8_t *area;

	if (area == NULL)
		area = guard_area(GUARD_SIZE);
	ck_assert_ptr_nonnull(area);
	memcpy(area + GUARD_SIZE - len, data, len);
	return dns_txt_read(area + GUARD_SIZE - len, len, STR(WANTED));
}

START_TEST(an_answer_says_it_or_not)
{
	ck_assert_int_eq(
	    look(answers[_i].data, answers[_i].len), answers[_i].result);
}
END_TEST

START_TEST(no_beginning_of_an_answer_says_it)
{
	for (size_t len = 0; len < answers[_i].len; len++)
		ck_assert_int_ne(look(answers[_i].data, len), DNS_TXT_FOUND);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("dns_txt");
	TCase *tcase = tcase_create("dns_txt");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(
	    tcase, an_answer_says_it_or_not, 0, (int)COUNT(answers));
	tcase_add_loop_test(
	    tcase, no_beginning_of_an_answer_says_it, 0, (int)COUNT(answers));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
