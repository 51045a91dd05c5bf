/* SPDX-License-Identifier: GPL-2.0-only */
/* Arguments and results of the functions that are probed, by the registers they travel in. */
#ifndef REGISTERS_H
#define REGISTERS_H

#include <linux/kprobes.h>
#include <linux/ptrace.h>

/* The argument `index`, from 0 to 5; valid when the function is entered. */
static inline unsigned long argument(struct pt_regs *regs, unsigned int index)
{
	return regs_get_kernel_argument(regs, index);
}

static inline void set_argument(struct pt_regs *regs, unsigned int index, unsigned long value)
{
#if defined(CONFIG_X86_64)
	unsigned long *const registers[] = {&regs->di, &regs->si, &regs->dx,
					    &regs->cx, &regs->r8, &regs->r9};

	*registers[index] = value;
#elif defined(CONFIG_ARM64)
	regs->regs[index] = value;
#else
#error "which registers hold the arguments?"
#endif
}

#endif
