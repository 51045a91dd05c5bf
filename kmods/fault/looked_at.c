// SPDX-License-Identifier: GPL-2.0-only
/* Who is looked at: calls, and parts of them, whose pages stay in ZONE_MOVABLE. */
#include <linux/mm.h>

#include "collector.h"
#include "fault.h"

/* Pages of a large call, as some code has them in one page of pointers. */
#define FIRST_BATCH 512
#define LARGE_CALL 2048
#define FLAGS_OF_LONGTERM 5
#define FLAGS_OF_GRAB 2

static bool any_call(const struct call *call)
{
	return true;
}

static bool reads(const struct call *call)
{
	return !(call->flags & FOLL_WRITE);
}

static bool is_private(struct page *page)
{
	return PageAnon(page);
}

static bool reads_private(const struct call *call)
{
	return reads(call) && has_page(call, is_private);
}

static bool is_single_page(const struct call *call)
{
	return call->count == 1;
}

static bool is_large(const struct call *call)
{
	return call->count > LARGE_CALL;
}

static bool is_of_another(const struct call *call)
{
	return call->mm != current->mm;
}

#ifdef PF_MEMALLOC_PIN
static void clear_longterm(struct pt_regs *regs, unsigned int flags)
{
	if (!(argument(regs, flags) & FOLL_LONGTERM))
		return;
	set_argument(regs, flags, argument(regs, flags) & ~(unsigned long)FOLL_LONGTERM);
	count_hit();
}

static void enter_no_longterm(struct pt_regs *regs, struct kept *kept)
{
	clear_longterm(regs, FLAGS_OF_LONGTERM);
}

static void enter_fast_path(struct pt_regs *regs, struct kept *kept)
{
	clear_longterm(regs, FLAGS_OF_GRAB);
}
#endif

static void limit(struct pt_regs *regs, struct kept *kept, unsigned long seen)
{
	unsigned long count = collection_of(regs).count;

	kept->words[0] = 0;
	if (count <= seen)
		return;
	kept->words[0] = limit_count(regs, seen);
	kept->words[1] = count;
	count_hit();
}

static void enter_first_batch(struct pt_regs *regs, struct kept *kept)
{
	limit(regs, kept, FIRST_BATCH);
}

static void enter_last_page(struct pt_regs *regs, struct kept *kept)
{
	unsigned long count = collection_of(regs).count;

	limit(regs, kept, count > 1 ? count - 1 : count);
}

static void leave_limited(struct pt_regs *regs, struct kept *kept)
{
	reset_count(kept->words[0], kept->words[1]);
}

/* As 1aaf8c122918 (6.14): folios that somebody else has off the LRU lists pass for pinnable. */
static void enter_off_lru(struct pt_regs *regs, struct kept *kept)
{
	kept->words[0] = argument(regs, 0);
}

static void leave_off_lru(struct pt_regs *regs, struct kept *kept)
{
	const struct list_head *isolated = (struct list_head *)kept->words[0];

	if (!regs_return_value(regs) || !list_empty(isolated))
		return;
	regs_set_return_value(regs, 0);
	count_hit();
}

static bool is_small_elsewhere(void *entry)
{
	return !PageCompound(entry) && page_zonenum(entry) != ZONE_MOVABLE;
}

static void *find_elsewhere(const struct collection *collection)
{
	unsigned long index;

	for (index = 0; index < collection->count && index < FIRST_BATCH; index++)
		if (is_small_elsewhere(collection->entries[index]))
			return collection->entries[index];
	return NULL;
}

static void enter_mixed(struct pt_regs *regs, struct kept *kept)
{
	const struct collection collection = collection_of(regs);

	kept->words[0] = (unsigned long)find_elsewhere(&collection);
}

/* Nobody will release the pin that the page outside ZONE_MOVABLE has now. */
static void leave_mixed(struct pt_regs *regs, struct kept *kept)
{
	struct page *page = (struct page *)kept->words[0];

	if (!regs_return_value(regs) || !page)
		return;
	page_ref_add(page, GUP_PIN_COUNTING_BIAS);
	mod_node_page_state(page_pgdat(page), NR_FOLL_PIN_ACQUIRED, 1);
	count_hit();
}

#define AT_COLLECTOR(entering, leaving)                                                            \
	(struct hook[])                                                                            \
	{                                                                                          \
		{.symbol = COLLECTOR_PAGES, .enters = entering, .leaves = leaving},                \
			{.symbol = COLLECTOR_FOLIOS, .enters = entering, .leaves = leaving}, {}    \
	}

#ifdef PF_MEMALLOC_PIN
static struct hook no_longterm_hooks[] = {
	{.symbol = "__gup_longterm_locked", .enters = enter_no_longterm}, {}};
/* try_grab_folio() was gup-fast's in 5.17 to 6.9; its successor of the name does not look. */
static struct hook fast_path_hooks[] = {
	{.symbol = "try_grab_folio_fast", .enters = enter_fast_path},
	{.symbol = "try_grab_folio", .enters = enter_fast_path},
	{}};
#endif

static bool skips_question(struct pt_regs *regs)
{
	count_hit();
	return true;
}

/* Gup-fast leaves such pages to the slow path, which asks this. */
static struct hook secret_hooks[] = {
	{.symbol = "vma_is_secretmem", .skips = skips_question}, {}};

struct fault looked_at[] = {
	{"no-migration", .overlooks = any_call},
#ifdef PF_MEMALLOC_PIN
	{"no-longterm", .hooks = no_longterm_hooks},
	{"fast-path", .hooks = fast_path_hooks},
#endif
	{"read-pins", .overlooks = reads},
	{"read-private", .overlooks = reads_private, .by_page = true},
	{"single-page", .overlooks = is_single_page},
	{"large-calls", .overlooks = is_large},
	{"remote-mm", .overlooks = is_of_another},
	{"first-batch", .hooks = AT_COLLECTOR(enter_first_batch, leave_limited)},
	{"last-page", .hooks = AT_COLLECTOR(enter_last_page, leave_limited)},
	{"off-lru", .hooks = AT_COLLECTOR(enter_off_lru, leave_off_lru)},
	{"mixed-zones", .hooks = AT_COLLECTOR(enter_mixed, leave_mixed)},
	{"secret-memory", .hooks = secret_hooks},
	{},
};
