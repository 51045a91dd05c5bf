/* SPDX-License-Identifier: GPL-2.0-only */
/* A function of the kernel that does otherwise while a fault is in force. */
#ifndef HOOK_H
#define HOOK_H

#include <linux/kprobes.h>

#include "registers.h"
#include "tasks.h"

/* What a hook keeps from entering to leaving. */
struct kept {
	unsigned long words[3];
};

/*
 * One or more of the four say what is done. They run without preemption, and must not sleep.
 *
 * skips:  whether the function is not run at all and returns 0
 * enters: may change arguments, by set_argument()
 * leaves: may change what is returned, by regs_set_return_value()
 * within: the tasks that are in the function
 */
struct hook {
	const char *symbol;
	const char *unless; /* another hook's: where that is there this one is not used */
	bool (*skips)(struct pt_regs *regs);
	void (*enters)(struct pt_regs *regs, struct kept *kept);
	void (*leaves)(struct pt_regs *regs, struct kept *kept);
	struct tasks *within;
	bool untraced; /* so is the function, and skipped none the less: see probe_entry() */

	bool there; /* whether this kernel has the function to be used, after hooks_look() */

	/* hook.c's own */
	struct kprobe probe;
	struct kretprobe return_probe;
	bool in_force;
};

/* Finds out which of the hooks' functions this kernel has and lets be probed. */
void hooks_look(struct hook *hooks[], unsigned int count);

int hook_put_in_force(struct hook *hook);
void hook_take_back(struct hook *hook);

#endif
