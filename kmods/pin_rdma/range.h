/* SPDX-License-Identifier: GPL-2.0-only */
/* A range pinned for an RDMA device. */
#ifndef RANGE_H
#define RANGE_H

#include <linux/list.h>

#include "pin_rdma.h"

struct ib_umem;

/* What one open file holds: nothing while `umem` is NULL. */
struct pinned_range {
	struct list_head link;
	struct ib_umem *umem;
};

int client_register(void);
void client_unregister(void);

/* Pin what is asked for; -EBUSY when the range holds something already. */
int range_pin(struct pinned_range *range, struct pin_rdma_pin *request);

/* Read a word of it; -ENOENT when nothing is held, -EINVAL behind its end. */
int range_read(struct pinned_range *range, struct pin_rdma_read *request);

/* Let go; -ENOENT when nothing is held, or the device took it along. */
int range_release(struct pinned_range *range);

#endif
