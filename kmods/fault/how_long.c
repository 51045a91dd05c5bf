// SPDX-License-Identifier: GPL-2.0-only
/* How long it takes: calls that do not end, until their process is killed. */
#include "collector.h"
#include "fault.h"

/* Something to migrate is found, and nothing of it can be isolated: tried again for ever. */
static void leave_livelock(struct pt_regs *regs, struct kept *kept)
{
	if (regs_return_value(regs))
		return;
	regs_set_return_value(regs, 1);
	count_hit();
}

static struct hook livelock_hooks[] = {
	{.symbol = COLLECTOR_PAGES, .leaves = leave_livelock},
	{.symbol = COLLECTOR_FOLIOS, .leaves = leave_livelock},
	{},
};

struct fault how_long[] = {{"livelock", .hooks = livelock_hooks}, {}};
