/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that somebody else is told of before it is written to. */
#ifndef PROTECT_H
#define PROTECT_H

#include <stdbool.h>
#include <stddef.h>

/* Write-protect a range by userfaultfd(2), whose messages nobody reads: who writes there waits. */
bool write_protect(char *address, size_t bytes);

#endif
