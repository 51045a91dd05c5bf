/* SPDX-License-Identifier: Apache-2.0 */
#include "pattern.h"

/* The mixer of Steele, Lea and Flood's SplitMix: "Fast splittable pseudorandom number
 * generators", 2014. */
static uint64_t word(uint64_t seed, size_t index)
{
	uint64_t mixed = seed + (index + 1) * 0x9e3779b97f4a7c15ull;

	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ull;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebull;
	return mixed ^ (mixed >> 31);
}

void pattern_fill(void *part, size_t bytes, size_t offset, uint64_t seed)
{
	uint64_t *words = part;
	size_t first = offset / sizeof(*words);

	for (size_t index = 0; index < bytes / sizeof(*words); index++)
		words[index] = word(seed, first + index);
}

static size_t different_bytes(uint64_t difference)
{
	size_t count = 0;

	for (; difference; difference >>= 8)
		count += !!(difference & 0xff);
	return count;
}

size_t pattern_mismatches(const void *part, size_t bytes, size_t offset, uint64_t seed)
{
	const uint64_t *words = part;
	size_t first = offset / sizeof(*words), count = 0;

	for (size_t index = 0; index < bytes / sizeof(*words); index++)
		count += different_bytes(words[index] ^ word(seed, first + index));
	return count;
}
