// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kprobes.h>

struct kretprobe *probe(struct kretprobe_instance *call)
{
	return get_kretprobe(call);
}
