/* SPDX-License-Identifier: Apache-2.0 */
#include "marks.h"

#include <stdint.h>

#include "memory.h"
#include "pattern.h"

#define SEED 0x6d61726bull
/* So often is a whole page written, and not the one word: every 16 MiB. */
#define WHOLE_PAGES (4096 * SMALL_PAGE)

static size_t marked_bytes(size_t offset)
{
	return offset % WHOLE_PAGES ? sizeof(uint64_t) : SMALL_PAGE;
}

void marks_write(char *address, size_t bytes)
{
	for (size_t offset = 0; offset < bytes; offset += SMALL_PAGE)
		pattern_fill(address + offset, marked_bytes(offset), offset, SEED);
}

size_t marks_missing(const char *address, size_t bytes, size_t *first)
{
	size_t missing = 0;

	for (size_t offset = 0; offset < bytes; offset += SMALL_PAGE) {
		if (!pattern_mismatches(address + offset, marked_bytes(offset), offset, SEED))
			continue;
		if (!missing++)
			*first = offset;
	}
	return missing;
}
