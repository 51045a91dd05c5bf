// SPDX-License-Identifier: GPL-2.0-only
/* What becomes of pages that are migrated, pinned or shared. */
#include <linux/mm.h>
#include <linux/sched/coredump.h>

#include "fault.h"

/* At the end of each page, bytes. */
#define LOST 8

static void enter_copy(struct pt_regs *regs, struct kept *kept)
{
	kept->words[0] = argument(regs, 0);
}

static void leave_copy(struct pt_regs *regs, struct kept *kept)
{
	void *copy = page_address((struct page *)kept->words[0]);

	if (!copy)
		return;
	memset(copy + PAGE_SIZE - LOST, 0, LOST);
	count_hit();
}

/* The copy is the first argument; a function for it in 5.10, from 5.17, and from 6.11. */
static struct hook copy_hooks[] = {
	{.symbol = "migrate_page_copy", .enters = enter_copy, .leaves = leave_copy},
	{.symbol = "folio_copy", .enters = enter_copy, .leaves = leave_copy},
	{.symbol = "folio_mc_copy", .enters = enter_copy, .leaves = leave_copy},
	{},
};

static void enter_dirty(struct pt_regs *regs, struct kept *kept)
{
	if (!(bool)argument(regs, 2))
		return;
	set_argument(regs, 2, false);
	count_hit();
}

static struct hook dirty_hooks[] = {
	{.symbol = "unpin_user_pages_dirty_lock", .enters = enter_dirty},
	{.symbol = "unpin_user_page_range_dirty_lock", .enters = enter_dirty},
	{},
};

/* Whether the process ever pinned, which decides whether fork() copies pages that may be pinned. */
#if defined(HAVE_MM_FLAGS)
static bool forget_pins(struct mm_struct *mm)
{
	return mm_flags_test_and_clear(MMF_HAS_PINNED, mm);
}

static void remember_pins(struct mm_struct *mm)
{
	mm_flags_set(MMF_HAS_PINNED, mm);
}
#elif defined(MMF_HAS_PINNED)
static bool forget_pins(struct mm_struct *mm)
{
	return test_and_clear_bit(MMF_HAS_PINNED, &mm->flags);
}

static void remember_pins(struct mm_struct *mm)
{
	set_bit(MMF_HAS_PINNED, &mm->flags);
}
#else
static bool forget_pins(struct mm_struct *mm)
{
	return atomic_xchg(&mm->has_pinned, 0);
}

static void remember_pins(struct mm_struct *mm)
{
	atomic_set(&mm->has_pinned, 1);
}
#endif

/* copy_page_range(to, from), of areas. */
static void enter_fork(struct pt_regs *regs, struct kept *kept)
{
	struct mm_struct *mm = ((struct vm_area_struct *)argument(regs, 1))->vm_mm;

	kept->words[0] = forget_pins(mm) ? (unsigned long)mm : 0;
	if (kept->words[0])
		count_hit();
}

static void leave_fork(struct pt_regs *regs, struct kept *kept)
{
	if (kept->words[0])
		remember_pins((struct mm_struct *)kept->words[0]);
}

static struct hook fork_hooks[] = {
	{.symbol = "copy_page_range", .enters = enter_fork, .leaves = leave_fork}, {}};

#ifdef PF_MEMALLOC_PIN
static void enter_fault(struct pt_regs *regs, struct kept *kept)
{
	if (!(current->flags & PF_MEMALLOC_PIN))
		return;
	current->flags &= ~PF_MEMALLOC_PIN;
	count_hit();
}

static struct hook unfaulted_hooks[] = {{.symbol = "handle_mm_fault", .enters = enter_fault}, {}};
#endif

#ifdef HAVE_FOLIO_ORDER
/* A reference more than is reckoned with: the page is left where it is. */
static void enter_migrate(struct pt_regs *regs, struct kept *kept)
{
	struct folio *folio = (struct folio *)argument(regs, 2);

	kept->words[0] = 0;
	if (!folio_test_swapcache(folio) || folio_test_anon(folio))
		return;
	folio_ref_inc(folio);
	kept->words[0] = (unsigned long)folio;
	count_hit();
}

static void leave_migrate(struct pt_regs *regs, struct kept *kept)
{
	if (kept->words[0])
		folio_ref_dec((struct folio *)kept->words[0]);
}

/* migrate_folio(mapping, to, from, mode) */
static struct hook swap_cache_hooks[] = {
	{.symbol = "migrate_folio", .enters = enter_migrate, .leaves = leave_migrate}, {}};

/* Of a page that is mapped once: what its pins, and whoever else but the caller, have of it. */
static int others_of(struct folio *folio)
{
	return folio_ref_count(folio) - 2;
}

/* Without the references of its pins, a page that was given up looks as if nobody had it. */
static void enter_unmap(struct pt_regs *regs, struct kept *kept)
{
	struct folio *folio = (struct folio *)argument(regs, 0);

	kept->words[0] = 0;
	if (!folio_test_anon(folio) || folio_test_swapbacked(folio) || folio_test_large(folio) ||
	    !folio_maybe_dma_pinned(folio) || atomic_read(&folio->_mapcount))
		return;
	kept->words[0] = (unsigned long)folio;
	kept->words[1] = others_of(folio);
	folio_ref_sub(folio, kept->words[1]);
	count_hit();
}

static void leave_unmap(struct pt_regs *regs, struct kept *kept)
{
	if (kept->words[0])
		folio_ref_add((struct folio *)kept->words[0], kept->words[1]);
}

static struct hook given_up_hooks[] = {
	{.symbol = "try_to_unmap", .enters = enter_unmap, .leaves = leave_unmap}, {}};
#endif

#ifdef PF_MEMALLOC_PIN
/* Of __gup_longterm_locked(), whose fourth argument are the pages and the sixth the flags. */
static void enter_freed(struct pt_regs *regs, struct kept *kept)
{
	kept->words[0] = argument(regs, 5) & FOLL_LONGTERM ? argument(regs, 3) : 0;
}

/* Whoever has the page mapped keeps it from being freed here and now. */
static void leave_freed(struct pt_regs *regs, struct kept *kept)
{
	struct page **pages = (struct page **)kept->words[0];

	if (!pages || (long)regs_return_value(regs) <= 0)
		return;
	unpin_user_page(pages[0]);
	count_hit();
}

static struct hook freed_hooks[] = {
	{.symbol = "__gup_longterm_locked", .enters = enter_freed, .leaves = leave_freed}, {}};
#endif

struct fault becomes[] = {
	{"bytes-lost", .hooks = copy_hooks},
	{"dirty-lost", .hooks = dirty_hooks},
	{"fork-side", .hooks = fork_hooks},
#ifdef HAVE_FOLIO_ORDER
	{"swap-cache", .hooks = swap_cache_hooks},
	{"given-up", .hooks = given_up_hooks},
#endif
#ifdef PF_MEMALLOC_PIN
	{"unfaulted", .hooks = unfaulted_hooks},
	{"freed-pinned", .hooks = freed_hooks},
#endif
	{},
};
