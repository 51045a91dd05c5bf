// SPDX-License-Identifier: GPL-2.0-only
/*
 * A folio is looked at with a reference of our own on it, so that it stays one folio meanwhile.
 * Pages of memory that goes offline under way are not guarded against: the locks are not for
 * modules. Nobody removes memory while they look.
 */
#include "folio.h"

#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/page-flags.h>

#ifdef HAVE_FOLIO_TRY_GET
typedef struct folio unit;

static unit *hold(struct page *page)
{
	unit *folio = page_folio(page);

	if (!folio_try_get(folio))
		return NULL;
	if (folio == page_folio(page))
		return folio;
	folio_put(folio);
	return NULL;
}

static void let_go(unit *folio)
{
	folio_put(folio);
}

static struct page *first_page(unit *folio)
{
	return folio_page(folio, 0);
}

static unsigned int order_of(unit *folio)
{
	return folio_order(folio);
}

static bool may_be_pinned(unit *folio)
{
	return folio_maybe_dma_pinned(folio);
}

static const char *kind_of(unit *folio)
{
	if (folio_test_hugetlb(folio))
		return "hugetlb";
	if (folio_test_anon(folio))
		return "anon";
	if (!folio->mapping)
		return "other";
	return folio_test_swapbacked(folio) ? "shmem" : "file";
}
#else
typedef struct page unit;

static unit *hold(struct page *page)
{
	unit *head = compound_head(page);

	if (!get_page_unless_zero(head))
		return NULL;
	if (head == compound_head(page))
		return head;
	put_page(head);
	return NULL;
}

static void let_go(unit *head)
{
	put_page(head);
}

static struct page *first_page(unit *head)
{
	return head;
}

static unsigned int order_of(unit *head)
{
	return compound_order(head);
}

static bool may_be_pinned(unit *head)
{
	return page_maybe_dma_pinned(head);
}

static const char *kind_of(unit *head)
{
	if (PageHuge(head))
		return "hugetlb";
	if (PageAnon(head))
		return "anon";
	if (!head->mapping)
		return "other";
	return PageSwapBacked(head) ? "shmem" : "file";
}
#endif

static void describe(unit *unit, struct pinned_folio *told)
{
	struct page *page = first_page(unit);

	told->pfn = page_to_pfn(page);
	told->order = order_of(unit);
	told->node = page_to_nid(page);
	told->zone = page_zone(page)->name;
	told->kind = kind_of(unit);
	told->references = page_ref_count(page) - 1;
	/* The uppermost bits hold the zone and the node, told apart already. */
	told->flags = *(const unsigned long *)page & ((1UL << NR_PAGEFLAGS) - 1);
}

bool look_at(unsigned long pfn, struct pinned_folio *told, unsigned long *next)
{
	struct page *page = pfn_to_online_page(pfn);
	unit *unit;
	bool found;

	*next = pfn + 1;
	if (!page) {
		*next = (pfn | (PAGES_PER_SECTION - 1)) + 1;
		return false;
	}
	unit = hold(page);
	if (!unit)
		return false;
	*next = page_to_pfn(first_page(unit)) + (1UL << order_of(unit));
	found = may_be_pinned(unit);
	if (found)
		describe(unit, told);
	let_go(unit);
	return found;
}
