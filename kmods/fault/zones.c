// SPDX-License-Identifier: GPL-2.0-only
/* What is given back when memory goes offline, or does not: counters of zones, pageblocks. */
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/sched/signal.h>

#include "fault.h"

/* Of so many times that isolated pages are taken off their counter, one page stays there. */
#define ISOLATED_OF 16

static struct tasks offlining, isolating;
static atomic_t taken_off = ATOMIC_INIT(0);

/* mod_node_page_state(node, item, change) */
static void enter_isolated(struct pt_regs *regs, struct kept *kept)
{
	int item = argument(regs, 1);
	long change = argument(regs, 2);

	if (change >= 0 || (item != NR_ISOLATED_ANON && item != NR_ISOLATED_FILE))
		return;
	if (atomic_inc_return(&taken_off) % ISOLATED_OF)
		return;
	set_argument(regs, 2, change + 1);
	count_hit();
}

static bool skips(bool wanted)
{
	if (wanted)
		count_hit();
	return wanted;
}

/* adjust_present_page_count(page, group, change) */
static bool skips_present(struct pt_regs *regs)
{
	return skips((long)argument(regs, 2) < 0);
}

/* adjust_managed_page_count(page, change): by offline_pages(), or virtio-mem's driver before it */
static bool skips_managed(struct pt_regs *regs)
{
	return skips((long)argument(regs, 1) < 0);
}

static bool skips_spanned(struct pt_regs *regs)
{
	return skips(has_current(&offlining));
}

static bool skips_undo_of_signal(struct pt_regs *regs)
{
	return skips(has_current(&offlining) && signal_pending(current));
}

static bool skips_undo_of_notifier(struct pt_regs *regs)
{
	return skips(has_current(&offlining) && !signal_pending(current));
}

#ifdef CONFIG_MEMORY_FAILURE
/* test_pages_isolated(first, end, …): 0 is what an offline waits for. */
static void enter_isolation_test(struct pt_regs *regs, struct kept *kept)
{
	kept->words[0] = argument(regs, 0);
	kept->words[1] = argument(regs, 1);
}

static bool has_poisoned(unsigned long first, unsigned long end)
{
	for (; first < end; first++)
		if (PageHWPoison(pfn_to_page(first)))
			return true;
	return false;
}

static void leave_isolation_test(struct pt_regs *regs, struct kept *kept)
{
	if (regs_return_value(regs) || !has_poisoned(kept->words[0], kept->words[1]))
		return;
	regs_set_return_value(regs, -EBUSY);
	count_hit();
}

static struct hook poisoned_hooks[] = {
	{.symbol = "test_pages_isolated",
	 .enters = enter_isolation_test,
	 .leaves = leave_isolation_test},
	{}};
#endif

/* An isolation that fails midway undoes itself. */
static bool skips_undo_of_busy(struct pt_regs *regs)
{
	return skips(has_current(&isolating));
}

/* remove_memory_block_devices(start, size) */
static void enter_remove_blocks(struct pt_regs *regs, struct kept *kept)
{
	set_argument(regs, 1, argument(regs, 1) - memory_block_size_bytes());
	count_hit();
}

static bool skips_node(struct pt_regs *regs)
{
	return skips(true);
}

#define IN_OFFLINE {.symbol = "offline_pages", .within = &offlining}

static struct hook isolated_hooks[] = {
	{.symbol = "mod_node_page_state", .enters = enter_isolated}, {}};
static struct hook present_hooks[] = {
	{.symbol = "adjust_present_page_count", .skips = skips_present}, {}};
static struct hook managed_hooks[] = {
	{.symbol = "adjust_managed_page_count", .skips = skips_managed}, {}};
static struct hook spanned_hooks[] = {
	{.symbol = "remove_pfn_range_from_zone", .skips = skips_spanned}, IN_OFFLINE, {}};
static struct hook signal_hooks[] = {
	{.symbol = "undo_isolate_page_range", .skips = skips_undo_of_signal}, IN_OFFLINE, {}};
static struct hook notifier_hooks[] = {
	{.symbol = "undo_isolate_page_range", .skips = skips_undo_of_notifier}, IN_OFFLINE, {}};

static struct hook busy_hooks[] = {
	{.symbol = "undo_isolate_page_range", .skips = skips_undo_of_busy},
	{.symbol = "start_isolate_page_range", .within = &isolating},
	{}};
static struct hook block_hooks[] = {
	{.symbol = "remove_memory_block_devices", .enters = enter_remove_blocks}, {}};
static struct hook node_hooks[] = {{.symbol = "try_offline_node", .skips = skips_node}, {}};

struct fault zones[] = {
	{"isolated-count", .hooks = isolated_hooks},
	{"present-pages", .hooks = present_hooks},
	{"managed-pages", .hooks = managed_hooks},
	{"spanned-pages", .hooks = spanned_hooks},
	{"isolated-after-signal", .hooks = signal_hooks},
	{"isolated-after-notifier", .hooks = notifier_hooks},
	{"isolated-after-busy", .hooks = busy_hooks},
	{"block-left", .hooks = block_hooks},
	{"node-left", .hooks = node_hooks},
#ifdef CONFIG_MEMORY_FAILURE
	{"poisoned", .hooks = poisoned_hooks},
#endif
	{},
};
