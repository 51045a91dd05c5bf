// SPDX-License-Identifier: GPL-2.0-only
/*
 * Turns the migration of long-term pins out of ZONE_MOVABLE off while it is loaded, so that a test
 * can show that it would notice. Two ways, by probes on functions of mm/gup.c:
 *
 *	longterm  __gup_longterm_locked() finds FOLL_LONGTERM cleared: neither migration, nor
 *	          allocation outside ZONE_MOVABLE
 *	collect   collect_longterm_unpinnable_folios() (_pages in 6.0 to 6.9) finds nothing to migrate
 *
 * A third one does not turn the fix off, but breaks it as 1aaf8c122918 (6.14) did:
 *
 *	offlru    where that function found folios, but could isolate none of them, because somebody
 *	          else has them, they pass for pinnable
 *
 * The parameter `what` chooses (default `all`: longterm and collect, as far as the kernel has
 * them); `active` tells which are in force, `hits` how often they acted. Loading fails with ENOENT
 * where the kernel has none of them: it is not fixed, or its compiler dissolved the function.
 */
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>

static char *what = "all";
module_param(what, charp, 0400);
MODULE_PARM_DESC(what, "longterm, collect, all or offlru");

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

/* Its first argument is the list for what it isolates. */
static int enter_offlru(struct kretprobe_instance *call, struct pt_regs *regs)
{
	*(struct list_head **)call->data = (struct list_head *)regs_get_kernel_argument(regs, 0);
	return 0;
}
NOKPROBE_SYMBOL(enter_offlru);

static int leave_offlru(struct kretprobe_instance *call, struct pt_regs *regs)
{
	const struct list_head *isolated = *(struct list_head **)call->data;

	if (regs_return_value(regs) && list_empty(isolated)) {
		regs_set_return_value(regs, 0);
		hits++;
	}
	return 0;
}
NOKPROBE_SYMBOL(leave_offlru);

static struct kretprobe offlru = {
	.handler = leave_offlru,
	.entry_handler = enter_offlru,
	.data_size = sizeof(struct list_head *),
	.maxactive = 64,
};
static bool offlru_in_force;

static void __init break_it(void)
{
	int index;

	for (index = 0; index < ARRAY_SIZE(ways) && !offlru_in_force; index++) {
		if (strcmp(ways[index].name, "collect"))
			continue;
		offlru.kp.symbol_name = ways[index].probe.symbol_name;
		offlru_in_force = register_kretprobe(&offlru) == 0;
		if (!offlru_in_force)
			offlru.kp.addr = NULL;
	}
	if (offlru_in_force)
		strscpy(active, "offlru", sizeof(active));
}

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

	if (offlru_in_force)
		unregister_kretprobe(&offlru);
	for (index = 0; index < ARRAY_SIZE(ways); index++)
		if (ways[index].in_force)
			unregister_kprobe(&ways[index].probe);
}

static int __init unfix_init(void)
{
	int index;

	if (!strcmp(what, "offlru"))
		break_it();
	else if (strcmp(what, "all") && strcmp(what, "longterm") && strcmp(what, "collect"))
		return -EINVAL;
	for (index = 0; index < ARRAY_SIZE(ways); index++)
		put_in_force(&ways[index]);
	if (!*active) {
		pr_info("unfix: nothing to probe for what=%s: no fix, or its function is inlined\n",
			what);
		return -ENOENT;
	}
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
