// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mm.h>

bool probe(struct folio *folio)
{
	if (!folio_try_get(folio))
		return false;
	folio_put(folio);
	return folio_maybe_dma_pinned(folio) || folio_test_hugetlb(folio);
}
