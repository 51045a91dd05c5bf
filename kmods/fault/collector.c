// SPDX-License-Identifier: GPL-2.0-only
#include "collector.h"

#include <linux/minmax.h>
#include <linux/string.h>

#include "fault.h"

/* mm/gup.c's own, from 6.12 (94efde1d1539) to 7.3. */
struct pages_or_folios {
	void **entries;
	bool has_folios;
	long nr_entries;
};

/* Older ones have (list, count, pages): a count is no kernel address. */
static bool is_counted(struct pt_regs *regs)
{
	return (long)argument(regs, 1) >= 0;
}

static struct pages_or_folios *pages_or_folios(struct pt_regs *regs)
{
	return (struct pages_or_folios *)argument(regs, 1);
}

struct collection collection_of(struct pt_regs *regs)
{
	struct collection told = {.isolated = (struct list_head *)argument(regs, 0)};

	if (is_counted(regs)) {
		told.count = argument(regs, 1);
		told.entries = (void **)argument(regs, 2);
	} else {
		told.count = pages_or_folios(regs)->nr_entries;
		told.entries = pages_or_folios(regs)->entries;
		told.has_folios = pages_or_folios(regs)->has_folios;
	}
	return told;
}

unsigned long limit_count(struct pt_regs *regs, unsigned long count)
{
	struct pages_or_folios *limited = pages_or_folios(regs);

	if (is_counted(regs)) {
		set_argument(regs, 1, count);
		return 0;
	}
	limited->nr_entries = count;
	return (unsigned long)limited;
}

void reset_count(unsigned long limited, unsigned long count)
{
	if (limited)
		((struct pages_or_folios *)limited)->nr_entries = count;
}

/* memfd_pin_folios() does not go through __gup_longterm_locked(). */
static bool skips_folios(struct pt_regs *regs)
{
	struct collection collection = collection_of(regs);
	struct call call = {
		.mm = current->mm,
		.count = collection.count,
		.flags = FOLL_WRITE | FOLL_LONGTERM,
	};

	if (!collection.has_folios || !collection.count)
		return false;
	call.seen = min(collection.count, 0ul + SEEN_PAGES);
	memcpy(call.pages, collection.entries, call.seen * sizeof(call.pages[0]));
	if (!is_overlooked(&call))
		return false;
	count_hit();
	return true;
}

struct hook collector_hooks[] = {{.symbol = COLLECTOR_FOLIOS, .skips = skips_folios}, {}};
