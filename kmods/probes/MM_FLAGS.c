// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mm.h>

bool probe(const struct mm_struct *mm)
{
	return mm_flags_test(0, mm);
}
