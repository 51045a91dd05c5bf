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

/* To a process that asks for it. A kernel thread would remove what is still in use. */
static bool skips_offline(struct pt_regs *regs)
{
	if (current->flags & PF_KTHREAD || !is_memory((struct device *)argument(regs, 0)))
		return false;
	count_hit();
	return true;
}

static struct hook lies_hooks[] = {{.symbol = "device_offline", .skips = skips_offline}, {}};

static struct tasks offlining;

/* Where what is said for developers can be turned on, it is said by this. */
static bool skips_line(struct pt_regs *regs)
{
	if (!has_current(&offlining))
		return false;
	count_hit();
	return true;
}

static struct hook line_hooks[] = {
	{.symbol = "__dynamic_pr_debug", .skips = skips_line, .untraced = true},
	{.symbol = "offline_pages", .within = &offlining},
	{}};

struct fault said[] = {
	{"no-tracepoint", .hooks = event_hooks},
	{"offline-lies", .hooks = lies_hooks},
	{"no-log-line", .hooks = line_hooks},
	{},
};
