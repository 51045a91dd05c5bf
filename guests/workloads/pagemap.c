/* SPDX-License-Identifier: Apache-2.0 */
/* The entries' bits: Documentation/admin-guide/mm/pagemap.rst. */
#include "pagemap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "answers.h"
#include "memory.h"

#define PRESENT (1ull << 63)
#define SWAPPED (1ull << 62)
#define WRITE_PROTECTED (1ull << 57)
#define PFN_MASK ((1ull << 55) - 1)

/* Of a file of /proc that has eight bytes for each page. */
static bool read_words(const char *path, uint64_t first, size_t count, uint64_t *words)
{
	size_t bytes = count * sizeof(uint64_t), done = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && done < bytes) {
		ssize_t length = pread(fd, (char *)words + done, bytes - done,
				       first * sizeof(uint64_t) + done);

		if (length <= 0)
			break;
		done += length;
	}
	if (fd >= 0)
		close(fd);
	return done == bytes || failed(path);
}

static uint64_t *read_entries(const char *address, size_t pages)
{
	uint64_t *entries = malloc(pages * sizeof(uint64_t));

	if (!entries) {
		failed("malloc");
		return NULL;
	}
	if (read_words("/proc/self/pagemap", (unsigned long)address / SMALL_PAGE, pages, entries))
		return entries;
	free(entries);
	return NULL;
}

/* Puts the flags of present pages in the place of entries; returns how many there are, or -1. */
static ssize_t read_flags(uint64_t *entries, size_t pages)
{
	ssize_t present = 0;

	for (size_t page = 0; page < pages; page++)
		if (entries[page] & PRESENT &&
		    !read_words("/proc/kpageflags", entries[page] & PFN_MASK, 1,
				&entries[present++]))
			return -1;
	return present;
}

static void print_equal(const uint64_t *words, size_t count)
{
	const char *comma = "";
	size_t length;

	for (size_t at = 0; at < count; at += length) {
		for (length = 1; at + length < count && words[at + length] == words[at];)
			length++;
		printf("%s[%llu, %zu]", comma, (unsigned long long)words[at], length);
		comma = ", ";
	}
}

bool pageflags_answer(const char *address, size_t bytes)
{
	size_t pages = bytes / SMALL_PAGE;
	uint64_t *entries = read_entries(address, pages);
	ssize_t present = entries ? read_flags(entries, pages) : -1;

	if (present >= 0) {
		printf("{\"event\": \"flags\", \"runs\": [");
		print_equal(entries, present);
		answer("]}");
	}
	free(entries);
	return present >= 0;
}

static void print_runs(const uint64_t *entries, size_t pages)
{
	const char *comma = "";
	size_t count;

	for (size_t page = 0; page < pages; page += count) {
		uint64_t pfn = entries[page] & PFN_MASK;

		for (count = 1; page + count < pages; count++)
			if (!(entries[page] & PRESENT) || !(entries[page + count] & PRESENT) ||
			    (entries[page + count] & PFN_MASK) != pfn + count)
				break;
		if (!(entries[page] & PRESENT))
			continue;
		printf("%s[%llu, %zu]", comma, (unsigned long long)pfn, count);
		comma = ", ";
	}
}

static size_t count(const uint64_t *entries, size_t pages, uint64_t bit)
{
	size_t found = 0;

	for (size_t page = 0; page < pages; page++)
		found += !!(entries[page] & bit);
	return found;
}

bool pagemap_answer(const char *address, size_t bytes)
{
	size_t pages = bytes / SMALL_PAGE, present;
	uint64_t *entries = read_entries(address, pages);

	if (!entries)
		return false;
	present = count(entries, pages, PRESENT);
	printf("{\"event\": \"pages\", \"present\": %zu, \"absent\": %zu, \"swapped\": %zu, "
	       "\"write_protected\": %zu, \"runs\": [",
	       present, pages - present, count(entries, pages, SWAPPED),
	       count(entries, pages, WRITE_PROTECTED));
	print_runs(entries, pages);
	answer("]}");
	free(entries);
	return true;
}
