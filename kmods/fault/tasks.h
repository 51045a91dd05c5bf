/* SPDX-License-Identifier: GPL-2.0-only */
/* A small set of tasks: those that are within a function. */
#ifndef TASKS_H
#define TASKS_H

#include <linux/sched.h>

struct tasks {
	struct task_struct *entered[64];
};

/* A task is removed as often as it was added. Beyond 64 none is added: false. */
bool add_current(struct tasks *tasks);
void remove_current(struct tasks *tasks);
bool has_current(const struct tasks *tasks);

#endif
