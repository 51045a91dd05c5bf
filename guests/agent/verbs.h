/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent does itself, without a process. Each returns 0 or an errno. */
#ifndef VERBS_H
#define VERBS_H

#include <stddef.h>

/* Open, one write(2), close; the file is made if it is missing. */
int file_write(const char *path, const char *bytes, size_t length);

int clock_set(long long seconds, long nanoseconds);

/* Credit the bytes to the random pool and reseed the generator from it. */
int entropy_add(const char *bytes, size_t length);

#endif
