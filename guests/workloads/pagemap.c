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
#define PFN_MASK ((1ull << 55) - 1)

static uint64_t *read_entries(const char *address, size_t pages)
{
	size_t bytes = pages * sizeof(uint64_t), done = 0;
	off_t start = (unsigned long)address / SMALL_PAGE * sizeof(uint64_t);
	uint64_t *entries = malloc(bytes);
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	while (entries && fd >= 0 && done < bytes) {
		ssize_t length = pread(fd, (char *)entries + done, bytes - done, start + done);

		if (length <= 0)
			break;
		done += length;
	}
	if (fd >= 0)
		close(fd);
	if (done == bytes)
		return entries;
	free(entries);
	return NULL;
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

bool pagemap_answer(const char *address, size_t bytes)
{
	size_t pages = bytes / SMALL_PAGE, present = 0;
	uint64_t *entries = read_entries(address, pages);

	if (!entries)
		return failed("/proc/self/pagemap");
	for (size_t page = 0; page < pages; page++)
		present += !!(entries[page] & PRESENT);
	printf("{\"event\": \"pages\", \"present\": %zu, \"absent\": %zu, \"runs\": [", present,
	       pages - present);
	print_runs(entries, pages);
	answer("]}");
	free(entries);
	return true;
}
