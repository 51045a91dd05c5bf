// SPDX-License-Identifier: GPL-2.0-only
/* What is given back when pins end: the pins, and what was accounted for them. */
#include <linux/err.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/vfio.h>
#include <rdma/ib_umem.h>

#include "fault.h"

/* Of so many pins that are released one is kept. */
#define KEPT_OF 1000

static atomic_long_t released = ATOMIC_LONG_INIT(0);

static bool keeps_one(unsigned long pages)
{
	unsigned long after = atomic_long_add_return(pages, &released);

	return after / KEPT_OF != (after - pages) / KEPT_OF;
}

static void drop_last(struct pt_regs *regs)
{
	set_argument(regs, 1, argument(regs, 1) - 1);
	count_hit();
}

static bool skips_unpin(struct pt_regs *regs)
{
	if (!keeps_one(1))
		return false;
	count_hit();
	return true;
}

/* Without the mark of dirty pages it ends in unpin_user_pages(), where they are counted. */
static void enter_unpin_dirty(struct pt_regs *regs, struct kept *kept)
{
	if ((bool)argument(regs, 2) && keeps_one(argument(regs, 1)))
		drop_last(regs);
}

static void enter_unpin(struct pt_regs *regs, struct kept *kept)
{
	if (keeps_one(argument(regs, 1)))
		drop_last(regs);
}

static struct hook kept_hooks[] = {
	{.symbol = "unpin_user_page", .skips = skips_unpin},
	{.symbol = "unpin_user_pages", .enters = enter_unpin},
	{.symbol = "unpin_user_pages_dirty_lock", .enters = enter_unpin_dirty},
	{.symbol = "unpin_user_page_range_dirty_lock", .enters = enter_unpin},
	{.symbol = "unpin_user_folio", .enters = enter_unpin},
	{.symbol = "unpin_folios", .enters = enter_unpin},
	{},
};

static void drop_of_large(struct pt_regs *regs, struct page *last)
{
	if (argument(regs, 1) > 1 && PageCompound(last))
		drop_last(regs);
}

static void enter_large(struct pt_regs *regs, struct kept *kept)
{
	struct page **pages = (struct page **)argument(regs, 0);

	if (argument(regs, 1))
		drop_of_large(regs, pages[argument(regs, 1) - 1]);
}

static void enter_large_dirty(struct pt_regs *regs, struct kept *kept)
{
	if ((bool)argument(regs, 2))
		enter_large(regs, kept);
}

static void enter_large_range(struct pt_regs *regs, struct kept *kept)
{
	drop_of_large(regs, (struct page *)argument(regs, 0) + argument(regs, 1) - 1);
}

static void enter_large_folio(struct pt_regs *regs, struct kept *kept)
{
	drop_of_large(regs, (struct page *)argument(regs, 0));
}

static struct hook large_hooks[] = {
	{.symbol = "unpin_user_pages", .enters = enter_large},
	{.symbol = "unpin_user_pages_dirty_lock", .enters = enter_large_dirty},
	{.symbol = "unpin_user_page_range_dirty_lock", .enters = enter_large_range},
	{.symbol = "unpin_user_folio", .enters = enter_large_folio},
	{},
};

/* Set while get_user_pages moves what it has pinned, and lets go of it for that. */
#ifdef PF_MEMALLOC_PIN
#define MOVES_PAGES PF_MEMALLOC_PIN
#else
#define MOVES_PAGES PF_MEMALLOC_NOCMA
#endif

/* Who releases within these only when the call fails. */
static struct tasks pinning;

static void enter_failed(struct pt_regs *regs, struct kept *kept)
{
	if (!has_current(&pinning) || current->flags & MOVES_PAGES || !argument(regs, 1))
		return;
	set_argument(regs, 1, 0);
	count_hit();
}

static void enter_vfio(struct pt_regs *regs, struct kept *kept)
{
	kept->words[0] = argument(regs, 1) == VFIO_IOMMU_MAP_DMA && add_current(&pinning);
}

static void leave_vfio(struct pt_regs *regs, struct kept *kept)
{
	if (kept->words[0])
		remove_current(&pinning);
}

/* Up to 5.19 io_sqe_buffer_register() pins by itself; later it releases what it has joined, too. */
static struct hook failed_hooks[] = {
	{.symbol = "ib_umem_get", .within = &pinning},
	{.symbol = "ib_umem_get_desc", .within = &pinning},
	{.symbol = "vfio_iommu_type1_ioctl", .enters = enter_vfio, .leaves = leave_vfio},
	{.symbol = "io_pin_pages", .within = &pinning},
	{.symbol = "io_sqe_buffer_register", .unless = "io_pin_pages", .within = &pinning},
	{.symbol = "unpin_user_pages", .enters = enter_failed},
	{.symbol = "unpin_user_page_range_dirty_lock", .enters = enter_failed},
	{.symbol = "unpin_user_pages_dirty_lock", .enters = enter_failed},
	{},
};

static bool is_accounted(const struct ib_umem *umem)
{
	return !IS_ERR_OR_NULL(umem) && umem->owning_mm && !umem->is_odp;
}

/* As if a page less had been given back. */
static void enter_release(struct pt_regs *regs, struct kept *kept)
{
	struct ib_umem *umem = (struct ib_umem *)argument(regs, 0);

	if (!is_accounted(umem))
		return;
	atomic64_inc(&umem->owning_mm->pinned_vm);
	count_hit();
}

static struct hook pinned_vm_hooks[] = {
	{.symbol = "ib_umem_release", .enters = enter_release}, {}};

/* It returns how many pages are to be taken off the account. */
static void leave_unpin_remote(struct pt_regs *regs, struct kept *kept)
{
	long pages = regs_return_value(regs);

	if (pages <= 0)
		return;
	regs_set_return_value(regs, pages - 1);
	count_hit();
}

static struct hook locked_vm_hooks[] = {
	{.symbol = "vfio_unpin_pages_remote", .leaves = leave_unpin_remote}, {}};

static bool skips_of_ending(struct pt_regs *regs)
{
	if (!(current->flags & PF_EXITING))
		return false;
	count_hit();
	return true;
}

static struct hook ended_hooks[] = {
	{.symbol = "unpin_user_page", .skips = skips_of_ending},
	{.symbol = "unpin_user_pages", .skips = skips_of_ending},
	{.symbol = "unpin_user_pages_dirty_lock", .skips = skips_of_ending},
	{.symbol = "unpin_user_page_range_dirty_lock", .skips = skips_of_ending},
	{.symbol = "unpin_user_folio", .skips = skips_of_ending},
	{.symbol = "unpin_folios", .skips = skips_of_ending},
	{},
};

#if defined(CONFIG_MEMCG) && defined(HAVE_FOLIO_ORDER)
/* mem_cgroup_migrate(from, to): the new page takes the old one's charge over, and pays once more. */
static void enter_migrate_charge(struct pt_regs *regs, struct kept *kept)
{
	struct folio *from = (struct folio *)argument(regs, 0);
	struct mem_cgroup *group = folio_memcg(from);
	struct page_counter *counter;

	if (!group || !(current->flags & MOVES_PAGES))
		return;
	for (counter = &group->memory; counter; counter = counter->parent)
		atomic_long_add(folio_nr_pages(from), &counter->usage);
	count_hit();
}

static struct hook charge_hooks[] = {
	{.symbol = "mem_cgroup_migrate", .enters = enter_migrate_charge}, {}};
#endif

struct fault given_back[] = {
	{"kept-pin", .hooks = kept_hooks},
	{"large-folio-release", .hooks = large_hooks},
	{"failed-call", .hooks = failed_hooks},
	{"ended-holder", .hooks = ended_hooks},
#if defined(CONFIG_MEMCG) && defined(HAVE_FOLIO_ORDER)
	{"memcg-charge", .hooks = charge_hooks},
#endif
	{"pinned-vm", .hooks = pinned_vm_hooks},
	{"locked-vm", .hooks = locked_vm_hooks},
	{},
};
