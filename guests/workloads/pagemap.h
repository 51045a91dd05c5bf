/* SPDX-License-Identifier: Apache-2.0 */
/* Where the pages of a range lie, from /proc/self/pagemap. */
#ifndef PAGEMAP_H
#define PAGEMAP_H

#include <stdbool.h>
#include <stddef.h>

/* Answer with the range's page frame numbers, as runs in address order. */
bool pagemap_answer(const char *address, size_t bytes);

/* Answer with the flags of its present pages (/proc/kpageflags), in address order, in runs. */
bool pageflags_answer(const char *address, size_t bytes);

#endif
