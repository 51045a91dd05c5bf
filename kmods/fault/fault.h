/* SPDX-License-Identifier: GPL-2.0-only */
/* One way in which a kernel can be broken. */
#ifndef FAULT_H
#define FAULT_H

#include <linux/mm.h>

#include "hook.h"

/* Of a call's pages those that are looked at, to tell what kind they are. */
#define SEEN_PAGES 32

/* A call for long-term pins, as it comes to the function that migrates. */
struct call {
	struct mm_struct *mm;
	unsigned long start; /* address, or of memfd_pin_folios nothing */
	unsigned long count; /* pages, or of memfd_pin_folios folios */
	unsigned int flags;  /* FOLL_ */
	struct page *pages[SEEN_PAGES];
	unsigned int seen; /* of them; fewer where a page is not there yet */
};

/*
 * A kernel allows a fault whose hooks' functions it has: one at least, as some are there under one
 * name or the other. A list of hooks ends with one without a symbol.
 */
struct fault {
	const char *name;
	struct hook *hooks;
	bool (*overlooks)(const struct call *call); /* does not migrate pages of this call */
	bool by_page;				    /* overlooks() wants to see the pages */
	bool in_force;
};

/* Each ends with a fault without a name. */
extern struct fault looked_at[], callers[], kinds_of_pages[], becomes[], given_back[], zones[],
	how_long[], said[];

/* Of every fault that is in force: whether it overlooks the call. */
bool is_overlooked(struct call *call);
bool wants_pages(void);
/* Whether one of the pages that are seen is such. */
bool has_page(const struct call *call, bool (*is_such)(struct page *page));

/* How often faults that are in force acted. */
void count_hit(void);

/* longterm.c and collector.c: what every fault with overlooks() needs. */
extern struct hook longterm_hooks[], collector_hooks[];

#endif
