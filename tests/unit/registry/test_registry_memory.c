/* SPDX-License-Identifier: MIT */
/* The common suite on the registry in memory, and what only that one has: the file of
 * devices. */
#include <stdio.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/device_file.h"
#include "registry_suite.h"

static char dir[32], path[64], lock[80];

static void
start(void)
{
	strcpy(dir, "/tmp/taupe-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/devices", dir);
	snprintf(lock, sizeof(lock), "%s.lock", path);
}

static void
stop(void)
{
	unlink(path);
	unlink(lock);
	ck_assert_int_eq(rmdir(dir), 0);
}

static struct registry *
open_registry(const char *relay_id, registry_event_cb cb, void *ctx)
{
	scene.settings.relay_id = relay_id;
	return registry_memory_new(scene.loop, &scene.settings, path, cb, ctx);
}

static void
put_device(const struct device_record *record)
{
	struct device_file_error error;

	ck_assert_msg(
	    device_file_put(path, record, NULL, &error) == 0, "%s", error.text);
}

static void
remove_device(const char *name)
{
	struct device_file_error error;
	bool found;

	ck_assert_int_eq(
	    device_file_remove(path, str_of(name), &found, &error), 0);
	ck_assert(found);
}

static void
put_fleet(const struct fleet_record *record)
{
	struct device_file_error error;

	ck_assert_msg(device_file_put_fleet(path, record, NULL, &error) == 0,
	    "%s", error.text);
}

static void
forget(struct registry **registry)
{
	size_t from = scene.n_events;

	registry_free(registry);
	*registry = open_registry("r1", scene_event_cb, NULL);
	scene_wait_event(REGISTRY_UP, NULL, &from);
}

const struct suite_store suite_store = {
    .start = start,
    .stop = stop,
    .open = open_registry,
    .put_device = put_device,
    .remove_device = remove_device,
    .put_fleet = put_fleet,
    .forget = forget,
};

static void
write_file(const char *text)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	ck_assert_int_eq(fclose(file), 0);
}

START_TEST(counts_its_devices)
{
	ck_assert_int_eq(scene.registry->ops->device_count(scene.registry), 2);
}
END_TEST

START_TEST(a_wrong_file_changes_nothing)
{
	write_file("name=alice&secret_sha256=nonsense\n");
	ck_assert_int_eq(scene_get_device("bob", NULL), REGISTRY_OK);
	ck_assert_int_eq(scene_get_device("alice", NULL), REGISTRY_OK);
	write_file("# nobody\n");
	ck_assert_int_eq(scene_get_device("bob", NULL), REGISTRY_NOT_FOUND);
}
END_TEST

START_TEST(does_not_start_with_a_wrong_file)
{
	write_file("name=alice&secret_sha256=nonsense\n");
	ck_assert_ptr_null(open_registry("r1", scene_event_cb, NULL));
}
END_TEST

START_TEST(a_file_that_is_gone_has_no_devices)
{
	size_t from = 0;

	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(scene_get_device("alice", NULL), REGISTRY_NOT_FOUND);
	scene_wait_event(REGISTRY_DEVICE, "alice", &from);
	from = 0;
	scene_wait_event(REGISTRY_DEVICE, "bob", &from);
	ck_assert_int_eq(scene.registry->ops->device_count(scene.registry), 0);
}
END_TEST

START_TEST(tells_of_changes_but_not_of_rewriting)
{
	scene_put_device("alice", "label=shop");
	scene_put_device("bob", NULL); /* a new file, the same record */
	ck_assert_int_eq(scene_get_device("bob", NULL), REGISTRY_OK);
	scene_run_ms(5);
	ck_assert(scene_has_event(REGISTRY_DEVICE, "alice", 0));
	ck_assert(!scene_has_event(REGISTRY_DEVICE, "bob", 0));
}
END_TEST

/* Another writer, as taupectl is one; it ends by itself after so long, 0: when unlock() is called. */
static struct {
	struct timer timer;
	int fd;
} writer;

static void
unlock(void)
{
	ck_assert_int_eq(close(writer.fd), 0);
	writer.fd = -1;
}

static void
unlock_cb(void *ctx)
{
	(void)ctx;
	unlock();
}

static void
lock_for(uint64_t ms)
{
	writer.fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(writer.fd, 0);
	ck_assert_int_eq(flock(writer.fd, LOCK_EX | LOCK_NB), 0);
	timer_init(&writer.timer, unlock_cb, NULL);
	if (ms > 0)
		timer_set(scene.loop, &writer.timer, ms);
}

static struct enrolment
make_enrolment(void)
{
	struct enrolment enrolment = {.name = "p-1", .fleet = "probes"};
	struct fleet_record fleet = {.name = "probes"};

	memset(fleet.key_sha256, 9, SECRET_HASH_LEN);
	memset(enrolment.key_sha256, 9, SECRET_HASH_LEN);
	put_fleet(&fleet);
	return enrolment;
}

START_TEST(changes_wait_for_another_writer)
{
	struct enrolment enrolment = make_enrolment();
	struct rotation rotation = {.name = "p-1", .error = "no place"};
	struct device_record record;

	lock_for(70);
	ck_assert_int_eq(scene_enrol(&enrolment, &record), ENROLMENT_NEW);
	ck_assert_int_eq(writer.fd, -1);
	scene_run_ms(5);
	ck_assert_int_eq(device_file_put(path,
			     &(struct device_record){
				 .name = "p-1", .rotation = ROTATION_ASKED},
			     NULL, &(struct device_file_error){0}),
	    0);
	lock_for(70);
	ck_assert_int_eq(scene_rotate(&rotation), REGISTRY_OK);
	ck_assert_int_eq(writer.fd, -1);
	ck_assert_int_eq(scene_get_device("p-1", &record), REGISTRY_OK);
	ck_assert_str_eq(record.rotation, "no place");
}
END_TEST

START_TEST(changes_do_not_wait_for_ever)
{
	struct enrolment enrolment = make_enrolment();
	struct device_record record;

	lock_for(0);
	ck_assert_int_eq(
	    scene_enrol(&enrolment, &record), ENROLMENT_UNAVAILABLE);
	unlock();
	ck_assert_int_eq(scene_get_device("p-1", NULL), REGISTRY_NOT_FOUND);
	ck_assert_int_eq(scene_enrol(&enrolment, &record), ENROLMENT_NEW);
}
END_TEST

static void
never_cb(void *ctx, enum registry_status status)
{
	(void)ctx;
	ck_abort_msg("answered with %d", (int)status);
}

START_TEST(changes_that_wait_are_forgotten_with_the_registry)
{
	struct rotation rotation = {.name = "p-1"};

	scene_put_device("p-1", NULL);
	lock_for(0);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(scene.registry->ops->rotate(
				     scene.registry, &rotation, never_cb, NULL),
		    0);
	scene_run_ms(30);
	unlock();
	forget(&scene.registry);
	scene_run_ms(30);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("registry_memory");
	TCase *tcase = tcase_create("devices");

	suite_add_common(suite);
	suite_add_fencing(suite);
	tcase_add_checked_fixture(tcase, scene_setup, scene_teardown);
	tcase_set_timeout(
	    tcase, 30); /* one waits as long as the registry does */
	tcase_add_test(tcase, counts_its_devices);
	tcase_add_test(tcase, a_wrong_file_changes_nothing);
	tcase_add_test(tcase, does_not_start_with_a_wrong_file);
	tcase_add_test(tcase, a_file_that_is_gone_has_no_devices);
	tcase_add_test(tcase, tells_of_changes_but_not_of_rewriting);
	tcase_add_test(tcase, changes_wait_for_another_writer);
	tcase_add_test(tcase, changes_do_not_wait_for_ever);
	tcase_add_test(
	    tcase, changes_that_wait_are_forgotten_with_the_registry);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
