/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern that tells every word of a range from every other, for checks of its contents. */
#ifndef PATTERN_H
#define PATTERN_H

#include <stddef.h>
#include <stdint.h>

/* `offset` (bytes, a multiple of 8) is where the part begins in the whole. */
void pattern_fill(void *part, size_t bytes, size_t offset, uint64_t seed);

/* How many bytes differ from the pattern. */
size_t pattern_mismatches(const void *part, size_t bytes, size_t offset, uint64_t seed);

#endif
