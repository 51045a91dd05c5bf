/* SPDX-License-Identifier: Apache-2.0 */
/* A word in each page that tells it from every other; holders of one file write the same. */
#ifndef MARKS_H
#define MARKS_H

#include <stddef.h>

/* Write them; this also faults every page in. */
void marks_write(char *address, size_t bytes);

/* How many pages have not theirs; the first is at `*first` bytes. */
size_t marks_missing(const char *address, size_t bytes, size_t *first);

#endif
