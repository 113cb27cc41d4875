/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target over its stored seeds, without a fuzzer: plain make check shows
 * with it that no old finding has come back. The program's own name says which folder
 * of seeds is its own: fuzz_form reads $srcdir/tests/fuzz/seeds/fuzz_form.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int
replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = NULL;
	long size;
	int result = -1;

	if (file == NULL)
		return -1;
	if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 &&
	    fseek(file, 0, SEEK_SET) == 0 &&
	    (data = malloc((size_t)size + 1)) != NULL &&
	    fread(data, 1, (size_t)size, file) == (size_t)size) {
		/* an exact allocation, so that a read past the input is found */
		uint8_t *exact = malloc(size ? (size_t)size : 1);

		if (exact != NULL) {
			memcpy(exact, data, (size_t)size);
			LLVMFuzzerTestOneInput(exact, (size_t)size);
			free(exact);
			result = 0;
		}
	}
	free(data);
	fclose(file);
	return result;
}

int
main(int argc, char **argv)
{
	const char *srcdir = getenv("srcdir"), *name;
	size_t name_len;
	char folder[2048], path[4096];
	struct dirent *entry;
	unsigned count = 0;
	DIR *dir;

	(void)argc;
	name = argv[0] + strlen(argv[0]);
	while (name > argv[0] && strchr("/\\", name[-1]) == NULL)
		name--;
	name_len = strcspn(name, "."); /* on Windows .exe follows */
	snprintf(folder, sizeof(folder), "%s/tests/fuzz/seeds/%.*s",
	    srcdir ? srcdir : ".", (int)name_len, name);
	if ((dir = opendir(folder)) == NULL) {
		perror(folder);
		return 1;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (replay_file(path) != 0) {
			perror(path);
			return 1;
		}
		count++;
	}
	closedir(dir);
	printf("%s: %u seeds\n", name, count);
	return count > 0 ? 0 : 1;
}
