/* SPDX-License-Identifier: Apache-2.0 */
#include "blocks.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VALUE_LIMIT 256

/* The first line of a file, without its end. */
static bool read_value(int folder, const char *path, char value[VALUE_LIMIT])
{
	int fd = openat(folder, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t length;

	if (fd < 0)
		return false;
	length = read(fd, value, VALUE_LIMIT - 1);
	if (length < 0)
		length = 0;
	close(fd);
	value[length] = '\0';
	value[strcspn(value, "\n")] = '\0';
	return true;
}

static bool print_value(FILE *out, int folder, const char *block, const char *name,
			char value[VALUE_LIMIT])
{
	char path[NAME_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s", block, name);
	if (!read_value(folder, path, value))
		return false;
	fprintf(out, "%s:%s\n", path, value);
	return true;
}

/* Of the links to it one is named after its node. */
static void print_nodes(FILE *out, int folder, const char *block)
{
	int fd = openat(folder, block, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *opened = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!opened) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(opened)))
		if (!strncmp(entry->d_name, "node", 4))
			fprintf(out, "%s/%s\n", block, entry->d_name);
	closedir(opened);
}

/*
 * valid_zones only of a block that is online: one that is just being added is there before it has a
 * node, and valid_zones_show() then follows a null pointer (drivers/base/memory.c, seen in 6.1.192).
 */
static void print_block(FILE *out, int folder, const char *block)
{
	char value[VALUE_LIMIT];

	print_value(out, folder, block, "phys_index", value);
	if (print_value(out, folder, block, "state", value) && !strcmp(value, "online"))
		print_value(out, folder, block, "valid_zones", value);
	print_nodes(out, folder, block);
}

static bool is_block(const char *name)
{
	return !strncmp(name, "memory", 6) && isdigit((unsigned char)name[6]);
}

static void print_blocks(FILE *out, DIR *listed)
{
	char value[VALUE_LIMIT];
	struct dirent *entry;

	if (!read_value(dirfd(listed), "block_size_bytes", value))
		return;
	fprintf(out, "%s\n", value);
	while ((entry = readdir(listed)))
		if (is_block(entry->d_name))
			print_block(out, dirfd(listed), entry->d_name);
}

int blocks_list(const char *folder, char **text, size_t *length)
{
	DIR *listed = opendir(folder);
	FILE *out;

	if (!listed)
		return errno;
	out = open_memstream(text, length);
	if (!out)
		abort();
	print_blocks(out, listed);
	fclose(out);
	closedir(listed);
	return 0;
}
