// SPDX-License-Identifier: GPL-2.0-only
#include "hook.h"

#include <linux/slab.h>
#include <linux/string.h>

/* What the caller gets in place of the probed function: its return address is on the stack. */
static noinline unsigned long nothing(void)
{
	return 0;
}
NOKPROBE_SYMBOL(nothing);

static int enter(struct kprobe *probe, struct pt_regs *regs)
{
	struct hook *hook = container_of(probe, struct hook, probe);
	struct kept unused;

	if (hook->skips && hook->skips(regs)) {
		instruction_pointer_set(regs, (unsigned long)nothing);
		return 1;
	}
	if (hook->enters)
		hook->enters(regs, &unused);
	return 0;
}
NOKPROBE_SYMBOL(enter);

static struct hook *hook_of(struct kretprobe_instance *call)
{
#ifdef HAVE_GET_KRETPROBE
	return container_of(get_kretprobe(call), struct hook, return_probe);
#else
	return container_of(call->rp, struct hook, return_probe);
#endif
}
NOKPROBE_SYMBOL(hook_of);

/* Not 0: nothing is done when it returns. */
static int enter_call(struct kretprobe_instance *call, struct pt_regs *regs)
{
	struct hook *hook = hook_of(call);

	if (hook->within && !add_current(hook->within))
		return 1;
	if (hook->enters)
		hook->enters(regs, (struct kept *)call->data);
	return 0;
}
NOKPROBE_SYMBOL(enter_call);

static int leave_call(struct kretprobe_instance *call, struct pt_regs *regs)
{
	struct hook *hook = hook_of(call);

	if (hook->leaves)
		hook->leaves(regs, (struct kept *)call->data);
	if (hook->within)
		remove_current(hook->within);
	return 0;
}
NOKPROBE_SYMBOL(leave_call);

static bool wants_return(const struct hook *hook)
{
	return hook->leaves || hook->within;
}

static int probe_return(struct hook *hook)
{
	memset(&hook->return_probe, 0, sizeof(hook->return_probe));
	hook->return_probe.kp.symbol_name = hook->symbol;
	hook->return_probe.entry_handler = enter_call;
	hook->return_probe.handler = leave_call;
	hook->return_probe.data_size = sizeof(struct kept);
	hook->return_probe.maxactive = 64;
	return register_kretprobe(&hook->return_probe);
}

static void after(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
}
NOKPROBE_SYMBOL(after);

/*
 * A probe of a function that can't be traced is a breakpoint, and may become a jump, from which
 * there is no way around the function; one with a post_handler does not (trace/kprobes.rst).
 */
static int probe_entry(struct hook *hook)
{
	memset(&hook->probe, 0, sizeof(hook->probe));
	hook->probe.symbol_name = hook->symbol;
	hook->probe.pre_handler = enter;
	hook->probe.post_handler = hook->untraced ? after : NULL;
	return register_kprobe(&hook->probe);
}

/* A disabled probe changes nothing; that it is taken tells that it could be put in force. */
static void look(struct hook *hook)
{
	memset(&hook->probe, 0, sizeof(hook->probe));
	hook->probe.symbol_name = hook->symbol;
	hook->probe.flags = KPROBE_FLAG_DISABLED;
	hook->there = !register_kprobe(&hook->probe);
}

static bool is_replaced(const struct hook *hook, struct hook *hooks[], unsigned int count)
{
	unsigned int index;

	for (index = 0; hook->unless && index < count; index++)
		if (hooks[index]->there && !strcmp(hooks[index]->symbol, hook->unless))
			return true;
	return false;
}

/* To unregister all at once takes one wait for the other CPUs, not one for each. */
void hooks_look(struct hook *hooks[], unsigned int count)
{
	struct kprobe **found = kcalloc(count, sizeof(*found), GFP_KERNEL);
	unsigned int index, there = 0;

	if (!found)
		return;
	for (index = 0; index < count; index++) {
		look(hooks[index]);
		if (hooks[index]->there)
			found[there++] = &hooks[index]->probe;
	}
	if (there)
		unregister_kprobes(found, there);
	kfree(found);
	for (index = 0; index < count; index++)
		if (is_replaced(hooks[index], hooks, count))
			hooks[index]->there = false;
}

int hook_put_in_force(struct hook *hook)
{
	int error;

	if (hook->in_force)
		return 0;
	error = wants_return(hook) ? probe_return(hook) : probe_entry(hook);
	hook->in_force = !error;
	return error;
}

void hook_take_back(struct hook *hook)
{
	if (!hook->in_force)
		return;
	if (wants_return(hook))
		unregister_kretprobe(&hook->return_probe);
	else
		unregister_kprobe(&hook->probe);
	hook->in_force = false;
}
