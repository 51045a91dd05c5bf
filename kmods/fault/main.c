// SPDX-License-Identifier: GPL-2.0-only
/*
 * Breaks the kernel in one of many ways while it is loaded, so that a test can show that it would
 * notice. What each fault does: docs/faults-of-kernels.md. It is done by probes on functions of the
 * running kernel, whatever vendor built it; what the compiler dissolved can't be probed, and its
 * faults are not among the `names` then.
 *
 *	name    what to put in force, several divided by commas; may be empty
 *	names   what this kernel allows
 *	active  what is in force
 *	hits    how often it acted
 */
#include <linux/kmod.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "fault.h"

static char *name = "no-migration";
module_param(name, charp, 0400);
MODULE_PARM_DESC(name, "faults to put in force, divided by commas");

static char names[1024];
module_param_string(names, names, sizeof(names), 0400);
MODULE_PARM_DESC(names, "faults that this kernel allows");

static char active[256];
module_param_string(active, active, sizeof(active), 0400);
MODULE_PARM_DESC(active, "faults in force");

static ulong hits;
module_param(hits, ulong, 0400);
MODULE_PARM_DESC(hits, "how often they acted");

static struct fault *const kinds[] = {looked_at,  callers, kinds_of_pages, becomes,
				      given_back, zones,   how_long,	   said};

#define MOST_HOOKS 256
#define for_each_fault(kind, fault)                                                                \
	for (kind = 0; kind < ARRAY_SIZE(kinds); kind++)                                           \
		for (fault = kinds[kind]; fault->name; fault++)

void count_hit(void)
{
	WRITE_ONCE(hits, hits + 1);
}

bool is_overlooked(struct call *call)
{
	struct fault *fault;
	unsigned int kind;

	for_each_fault(kind, fault)
		if (fault->in_force && fault->overlooks && fault->overlooks(call))
			return true;
	return false;
}

bool wants_pages(void)
{
	struct fault *fault;
	unsigned int kind;

	for_each_fault(kind, fault)
		if (fault->in_force && fault->by_page)
			return true;
	return false;
}

static bool has_one_of(const struct hook *hook)
{
	for (; hook->symbol; hook++)
		if (hook->there)
			return true;
	return false;
}

static bool is_allowed(const struct fault *fault)
{
	if (fault->overlooks && !has_one_of(longterm_hooks))
		return false;
	return !fault->hooks || has_one_of(fault->hooks);
}

static unsigned int __init add_hooks(struct hook *hook, struct hook *all[], unsigned int count)
{
	for (; hook->symbol && count < MOST_HOOKS; hook++)
		all[count++] = hook;
	return count;
}

static int __init look_at_kernel(void)
{
	struct hook **all = kcalloc(MOST_HOOKS, sizeof(*all), GFP_KERNEL);
	struct fault *fault;
	unsigned int kind, count;

	if (!all)
		return -ENOMEM;
	count = add_hooks(longterm_hooks, all, 0);
	count = add_hooks(collector_hooks, all, count);
	for_each_fault(kind, fault)
		if (fault->hooks)
			count = add_hooks(fault->hooks, all, count);
	hooks_look(all, count);
	kfree(all);
	return count < MOST_HOOKS ? 0 : -ENOSPC;
}

static void __init add_word(char *list, size_t size, const char *word)
{
	if (*list)
		strlcat(list, ",", size);
	strlcat(list, word, size);
}

static void __init tell_names(void)
{
	struct fault *fault;
	unsigned int kind;

	for_each_fault(kind, fault)
		if (is_allowed(fault))
			add_word(names, sizeof(names), fault->name);
}

static struct fault *__init find_fault(const char *wanted)
{
	struct fault *fault;
	unsigned int kind;

	for_each_fault(kind, fault)
		if (!strcmp(fault->name, wanted))
			return fault;
	return NULL;
}

static int put_hooks_in_force(struct hook *hook)
{
	int error = 0;

	for (; hook->symbol && !error; hook++)
		if (hook->there)
			error = hook_put_in_force(hook);
	return error;
}

static void take_hooks_back(struct hook *hook)
{
	for (; hook->symbol; hook++)
		hook_take_back(hook);
}

static int put_fault_in_force(struct fault *fault)
{
	int error = 0;

	if (fault->hooks)
		error = put_hooks_in_force(fault->hooks);
	if (!error && fault->overlooks)
		error = put_hooks_in_force(longterm_hooks);
	if (!error && fault->overlooks)
		error = put_hooks_in_force(collector_hooks);
	fault->in_force = !error;
	return error;
}

static int __init put_in_force(const char *wanted)
{
	struct fault *fault = find_fault(wanted);
	int error;

	if (!fault || !is_allowed(fault)) {
		pr_info("fault: nothing to probe for %s, this kernel allows: %s\n", wanted, names);
		return -ENOENT;
	}
	error = put_fault_in_force(fault);
	if (error)
		pr_info("fault: a probe for %s is refused: error %d\n", wanted, error);
	else
		add_word(active, sizeof(active), wanted);
	return error;
}

static void take_back(void)
{
	struct fault *fault;
	unsigned int kind;

	for_each_fault(kind, fault)
		if (fault->hooks)
			take_hooks_back(fault->hooks);
	take_hooks_back(longterm_hooks);
	take_hooks_back(collector_hooks);
}

/* `list` is cut into its words. */
static int __init put_all_in_force(char *list)
{
	char *word;
	int error = 0;

	while (!error && (word = strsep(&list, ",")))
		if (*word)
			error = put_in_force(word);
	return error;
}

/* The functions of modules can be probed when they are there. */
static void __init load_callers(void)
{
	request_module("ib_uverbs");
	request_module("vfio_iommu_type1");
}

static int __init fault_init(void)
{
	char *list = kstrdup(name, GFP_KERNEL);
	int error = -ENOMEM;

	if (list) {
		load_callers();
		error = look_at_kernel();
	}
	if (!error) {
		tell_names();
		error = put_all_in_force(list);
	}
	kfree(list);
	if (error)
		take_back();
	else
		pr_info("fault: in force: %s\n", active);
	return error;
}

static void __exit fault_exit(void)
{
	take_back();
}

module_init(fault_init);
module_exit(fault_exit);

MODULE_DESCRIPTION("Breaks a kernel in a chosen way");
MODULE_LICENSE("GPL");
