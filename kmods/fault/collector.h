/* SPDX-License-Identifier: GPL-2.0-only */
/* The function of mm/gup.c that collects what has to be migrated, where it was not dissolved. */
#ifndef COLLECTOR_H
#define COLLECTOR_H

#include <linux/list.h>

#include "hook.h"

/* By the names it had in 6.0 to 6.9, and has since 6.10. */
#define COLLECTOR_PAGES "collect_longterm_unpinnable_pages"
#define COLLECTOR_FOLIOS "collect_longterm_unpinnable_folios"

/* What it is called with, wherever that lies. */
struct collection {
	struct list_head *isolated; /* for what it could take off the LRU lists */
	void **entries;		    /* pages, or folios */
	bool has_folios;
	unsigned long count;
};

struct collection collection_of(struct pt_regs *regs);

/* As if the call had only so many entries; returns what reset_count() wants. */
unsigned long limit_count(struct pt_regs *regs, unsigned long count);
void reset_count(unsigned long limited, unsigned long count);

#endif
