/* SPDX-License-Identifier: GPL-2.0-only */
/* What there is to tell of a folio that may be pinned for DMA. */
#ifndef FOLIO_H
#define FOLIO_H

#include <linux/types.h>

struct pinned_folio {
	unsigned long pfn; /* of its first page */
	unsigned int order;
	int node;
	const char *zone;
	const char *kind; /* hugetlb, anon, shmem, file or other */
	int references;
	unsigned long flags;
};

/*
 * Look at the folio that the page at `pfn` is part of. Gives the folio and returns true when it
 * may be pinned for DMA (folio_maybe_dma_pinned). `next` is set to the first page not looked at.
 */
bool look_at(unsigned long pfn, struct pinned_folio *told, unsigned long *next);

#endif
