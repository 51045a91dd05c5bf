/* SPDX-License-Identifier: Apache-2.0 */
/* The memory blocks of the machine, which take a shell some hundred files and as many milliseconds. */
#ifndef BLOCKS_H
#define BLOCKS_H

#include <stddef.h>

/*
 * The text, to be freed: the line of block_size_bytes, then of each block `memoryN/FILE:LINE` for
 * phys_index, state and, where it is online, valid_zones, and `memoryN/nodeM` for its node. What
 * goes meanwhile is left out. 0 or an errno.
 */
int blocks_list(const char *folder, char **text, size_t *length);

#endif
