// SPDX-License-Identifier: GPL-2.0-only
#include <linux/memory_hotplug.h>

/* Since 5.15 (e1c158e49566) a start and a size are enough. */
void probe(int node, u64 start, u64 size)
{
	__remove_memory(node, start, size);
}
