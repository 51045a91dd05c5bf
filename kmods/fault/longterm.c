// SPDX-License-Identifier: GPL-2.0-only
/*
 * __gup_longterm_locked() of mm/gup.c takes pins and migrates them, for every entry but
 * memfd_pin_folios(). Kernels from 5.13 (d1e153fea2a8) migrate. Its arguments that count are the
 * same from 5.10 to 7.3: mm, start, pages, and as the sixth the flags.
 *
 * What is overlooked is pinned without FOLL_LONGTERM, and so not migrated. Pages that were never
 * faulted are still allocated where a long-term pin may have them (PF_MEMALLOC_PIN).
 */
#include "fault.h"

#define FLAGS 5

#ifdef PF_MEMALLOC_PIN
/* The pages are not held afterwards: what is seen is no more than a hint. */
static void see_pages(struct call *call)
{
	int seen, index;

	if (call->mm != current->mm)
		return;
	seen = get_user_pages_fast_only(call->start, min(call->count, 0ul + SEEN_PAGES), 0,
					call->pages);
	call->seen = max(seen, 0);
	for (index = 0; index < seen; index++)
		put_page(call->pages[index]);
}

static bool is_longterm_overlooked(struct pt_regs *regs)
{
	struct call call = {
		.mm = (struct mm_struct *)argument(regs, 0),
		.start = argument(regs, 1),
		.count = argument(regs, 2),
		.flags = argument(regs, FLAGS),
	};

	if (!(call.flags & FOLL_LONGTERM))
		return false;
	if (wants_pages())
		see_pages(&call);
	return is_overlooked(&call);
}

static void enter_longterm(struct pt_regs *regs, struct kept *kept)
{
	kept->words[0] = 0;
	if (!is_longterm_overlooked(regs))
		return;
	set_argument(regs, FLAGS, argument(regs, FLAGS) & ~(unsigned long)FOLL_LONGTERM);
	kept->words[0] = ~current->flags & PF_MEMALLOC_PIN;
	current->flags |= PF_MEMALLOC_PIN;
	count_hit();
}

static void leave_longterm(struct pt_regs *regs, struct kept *kept)
{
	current->flags &= ~kept->words[0];
}

struct hook longterm_hooks[] = {
	{.symbol = "__gup_longterm_locked", .enters = enter_longterm, .leaves = leave_longterm},
	{},
};
#else
struct hook longterm_hooks[] = {{}};
#endif
