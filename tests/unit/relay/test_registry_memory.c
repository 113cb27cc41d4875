/* SPDX-License-Identifier: MIT */
/* The common suite on the registry in memory, and what only that one has: the file of
 * devices. */
#include <stdio.h>
#include <stdlib.h>
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

	ck_assert_msg(device_file_put_fleet(path, record, NULL, &error) == 0, "%s",
	    error.text);
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

int
main(void)
{
	Suite *suite = suite_create("registry_memory");
	TCase *tcase = tcase_create("devices");

	suite_add_common(suite);
	suite_add_fencing(suite);
	tcase_add_checked_fixture(tcase, scene_setup, scene_teardown);
	tcase_add_test(tcase, counts_its_devices);
	tcase_add_test(tcase, a_wrong_file_changes_nothing);
	tcase_add_test(tcase, does_not_start_with_a_wrong_file);
	tcase_add_test(tcase, a_file_that_is_gone_has_no_devices);
	tcase_add_test(tcase, tells_of_changes_but_not_of_rewriting);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
