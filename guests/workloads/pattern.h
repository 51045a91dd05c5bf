/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern that tells every word of a range from every other, for checks of its contents. */
#ifndef PATTERN_H
#define PATTERN_H

#include <stddef.h>
#include <stdint.h>

void pattern_fill(void *address, size_t bytes, uint64_t seed);

/* How many bytes differ from the pattern. */
size_t pattern_mismatches(const void *address, size_t bytes, uint64_t seed);

#endif
