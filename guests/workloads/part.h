/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a range that a command is about, and the pattern it holds or is to hold. */
#ifndef PART_H
#define PART_H

#include <stddef.h>

struct part {
	unsigned long long seed;
	size_t offset; /* both in bytes, multiples of 8 */
	size_t bytes;
};

/*
 * Read the rest of a command, SEED [offset=N] [bytes=N], about a range of `most` bytes; by default
 * the part is all of it, or all from the offset on. Returns what is wrong with it, or NULL.
 */
const char *part_take(struct part *part, size_t most);

/* The same without SEED; the part's own stays. */
const char *part_take_place(struct part *part, size_t most);

#endif
