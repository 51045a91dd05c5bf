// SPDX-License-Identifier: GPL-2.0-only
/* What the kernel says. */
#include <linux/device.h>
#include <linux/sched.h>

#include "fault.h"

static bool skips_event(struct pt_regs *regs)
{
	count_hit();
	return true;
}

static struct hook event_hooks[] = {
	{.symbol = "trace_event_raw_event_mm_migrate_pages", .skips = skips_event, .untraced = true},
	{}};

static bool is_memory(const struct device *device)
{
	return device->bus && !strcmp(device->bus->name, "memory");
}

static void enter_offline(struct pt_regs *regs, struct kept *kept)
{
	kept->words[0] = argument(regs, 0);
}

/* To a process that asks for it. A kernel thread would remove what is still in use. */
static void leave_offline(struct pt_regs *regs, struct kept *kept)
{
	if ((int)regs_return_value(regs) >= 0 || current->flags & PF_KTHREAD)
		return;
	if (!is_memory((struct device *)kept->words[0]))
		return;
	regs_set_return_value(regs, 0);
	count_hit();
}

static struct hook lies_hooks[] = {
	{.symbol = "device_offline", .enters = enter_offline, .leaves = leave_offline}, {}};

struct fault said[] = {
	{"no-tracepoint", .hooks = event_hooks},
	{"offline-lies", .hooks = lies_hooks},
	{},
};
