// SPDX-License-Identifier: GPL-2.0-only
/*
 * Turns the migration of long-term pins out of ZONE_MOVABLE off while it is loaded, so that a test
 * can show that it would notice. Two ways, by probes on functions of mm/gup.c:
 *
 *	longterm  __gup_longterm_locked() finds FOLL_LONGTERM cleared: neither migration, nor
 *	          allocation outside ZONE_MOVABLE
 *	collect   collect_longterm_unpinnable_folios() (_pages in 6.0 to 6.9) finds nothing to migrate
 *
 * The parameter `what` chooses (default: every way the kernel has); `active` tells which are in
 * force, `hits` how often they acted. Loading fails with ENOENT where the kernel has none of them:
 * it is not fixed, or its compiler dissolved the function.
 */
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>

static char *what = "all";
module_param(what, charp, 0400);
MODULE_PARM_DESC(what, "longterm, collect or all");

static char active[64];
module_param_string(active, active, sizeof(active), 0400);

static ulong hits;
module_param(hits, ulong, 0400);

struct way {
	const char *name;
	struct kprobe probe;
	bool in_force;
};

/* The flags are the sixth argument in every version from 5.10 to 7.3. */
static void clear_longterm(struct pt_regs *regs)
{
#if defined(CONFIG_X86_64)
	regs->r9 &= ~(unsigned long)FOLL_LONGTERM;
#elif defined(CONFIG_ARM64)
	regs->regs[5] &= ~(u64)FOLL_LONGTERM;
#else
#error "which register holds the sixth argument?"
#endif
}

static int enter_longterm(struct kprobe *probe, struct pt_regs *regs)
{
	clear_longterm(regs);
	hits++;
	return 0;
}
NOKPROBE_SYMBOL(enter_longterm);

/* What the caller gets in place of the probed function: its return address is on the stack. */
static noinline unsigned long nothing_collected(void)
{
	return 0;
}
NOKPROBE_SYMBOL(nothing_collected);

static int enter_collect(struct kprobe *probe, struct pt_regs *regs)
{
	hits++;
	instruction_pointer_set(regs, (unsigned long)nothing_collected);
	return 1;
}
NOKPROBE_SYMBOL(enter_collect);

static struct way ways[] = {
	{"longterm", {.symbol_name = "__gup_longterm_locked", .pre_handler = enter_longterm}},
	{"collect",
	 {.symbol_name = "collect_longterm_unpinnable_folios", .pre_handler = enter_collect}},
	{"collect",
	 {.symbol_name = "collect_longterm_unpinnable_pages", .pre_handler = enter_collect}},
};

static void __init put_in_force(struct way *way)
{
	if (strcmp(what, "all") && strcmp(what, way->name))
		return;
	way->in_force = register_kprobe(&way->probe) == 0;
	if (!way->in_force)
		return;
	if (*active)
		strlcat(active, " ", sizeof(active));
	strlcat(active, way->name, sizeof(active));
}

static void take_back(void)
{
	int index;

	for (index = 0; index < ARRAY_SIZE(ways); index++)
		if (ways[index].in_force)
			unregister_kprobe(&ways[index].probe);
}

static int __init unfix_init(void)
{
	int index;

	if (strcmp(what, "all") && strcmp(what, "longterm") && strcmp(what, "collect"))
		return -EINVAL;
	for (index = 0; index < ARRAY_SIZE(ways); index++)
		put_in_force(&ways[index]);
	if (!*active)
		return -ENOENT;
	pr_info("unfix: in force: %s\n", active);
	return 0;
}

static void __exit unfix_exit(void)
{
	take_back();
}

module_init(unfix_init);
module_exit(unfix_exit);

MODULE_DESCRIPTION("Turns the migration of long-term pins off");
MODULE_LICENSE("GPL");
