// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mm.h>
/* Not self-contained in 7.2. */
#include <linux/memfd.h>

long probe(struct file *memfd, struct folio **folios, pgoff_t *offset)
{
	long count = memfd_pin_folios(memfd, 0, 1, folios, 1, offset);

	unpin_folios(folios, count);
	return count;
}
