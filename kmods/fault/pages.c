// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which pages are looked at. A probe can't split a call: one that has such a page among its first
 * ones is overlooked. Kernels before 5.16, which know no folios, allow none of these.
 */
#include <linux/mm.h>
#include <linux/page-flags.h>

#include "fault.h"

bool has_page(const struct call *call, bool (*is_such)(struct page *page))
{
	unsigned int index;

	for (index = 0; index < call->seen; index++)
		if (is_such(call->pages[index]))
			return true;
	return false;
}

#ifdef HAVE_FOLIO_ORDER
static bool is_hugetlb(struct page *page)
{
	return PageHuge(&page_folio(page)->page);
}

static bool is_anon(struct page *page)
{
	return !is_hugetlb(page) && folio_test_anon(page_folio(page));
}

static bool is_of_file(struct page *page)
{
	return !is_hugetlb(page) && !is_anon(page) && READ_ONCE(page_folio(page)->mapping);
}

static bool is_shmem(struct page *page)
{
	return is_of_file(page) && folio_test_swapbacked(page_folio(page));
}

static bool is_file(struct page *page)
{
	return is_of_file(page) && !folio_test_swapbacked(page_folio(page));
}

static unsigned int order_of(struct page *page)
{
	return is_hugetlb(page) ? 0 : folio_order(page_folio(page));
}

static bool is_thp(struct page *page)
{
	return order_of(page) >= PMD_SHIFT - PAGE_SHIFT;
}

static bool is_mthp(struct page *page)
{
	return order_of(page) && !is_thp(page);
}

static bool is_mlocked(struct page *page)
{
	return folio_test_mlocked(page_folio(page));
}

/* The count of mappings, of which a page that is mapped once has 0. */
static bool is_shared(struct page *page)
{
	return !PageCompound(page) && atomic_read(&page->_mapcount) > 0;
}

#define OVERLOOKS(kind)                                                                            \
	static bool overlooks_##kind(const struct call *call)                                      \
	{                                                                                          \
		return has_page(call, is_##kind);                                                  \
	}

OVERLOOKS(anon)
OVERLOOKS(shmem)
OVERLOOKS(file)
OVERLOOKS(hugetlb)
OVERLOOKS(thp)
OVERLOOKS(mthp)
OVERLOOKS(mlocked)
OVERLOOKS(shared)

/* A call that begins within a folio; others have tail pages too, but find the folio by its head. */
static bool overlooks_tail(const struct call *call)
{
	return call->seen && PageTail(call->pages[0]);
}
#endif

struct fault kinds_of_pages[] = {
#ifdef HAVE_FOLIO_ORDER
	{"anon", .overlooks = overlooks_anon, .by_page = true},
	{"shmem", .overlooks = overlooks_shmem, .by_page = true},
	{"file", .overlooks = overlooks_file, .by_page = true},
	{"hugetlb", .overlooks = overlooks_hugetlb, .by_page = true},
	{"thp", .overlooks = overlooks_thp, .by_page = true},
	{"mthp", .overlooks = overlooks_mthp, .by_page = true},
	{"tail-pages", .overlooks = overlooks_tail, .by_page = true},
	{"mlocked", .overlooks = overlooks_mlocked, .by_page = true},
	{"shared-pages", .overlooks = overlooks_shared, .by_page = true},
#endif
	{},
};
