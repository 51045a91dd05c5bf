// SPDX-License-Identifier: GPL-2.0-only
#include "tasks.h"

#include <linux/atomic.h>
#include <linux/kernel.h>

static bool swap_one(struct tasks *tasks, struct task_struct *from, struct task_struct *to)
{
	unsigned int index;

	for (index = 0; index < ARRAY_SIZE(tasks->entered); index++)
		if (cmpxchg(&tasks->entered[index], from, to) == from)
			return true;
	return false;
}

bool add_current(struct tasks *tasks)
{
	return swap_one(tasks, NULL, current);
}

void remove_current(struct tasks *tasks)
{
	swap_one(tasks, current, NULL);
}

bool has_current(const struct tasks *tasks)
{
	unsigned int index;

	for (index = 0; index < ARRAY_SIZE(tasks->entered); index++)
		if (READ_ONCE(tasks->entered[index]) == current)
			return true;
	return false;
}
