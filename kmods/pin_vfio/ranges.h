/* SPDX-License-Identifier: GPL-2.0-only */
/* What a vfio device has pinned, whichever interface the kernel has for such devices. */
#ifndef RANGES_H
#define RANGES_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "pin_vfio.h"

/* The most vfio_pin_pages takes (VFIO_PIN_PAGES_MAX_ENTRIES). */
#define BATCH_LIMIT 512

struct pinned_ranges;

/* How the kernel at hand pins and unpins; pages taken or an errno. */
struct pinner {
	int (*pin)(struct pinned_ranges *ranges, u64 iova, int pages, int protection);
	void (*unpin)(struct pinned_ranges *ranges, u64 iova, int pages);
};

/*
 * vfio calls ranges_release under locks of its own (iommu->device_list_lock), which another of its
 * paths takes inside of those that pinning takes (iommu->lock). So nothing that is held while vfio
 * pins or unpins is wanted by ranges_release.
 */
struct pinned_ranges {
	const struct pinner *pinner;
	struct mutex pinning; /* one request at a time; not for ranges_release */
	spinlock_t lock;      /* of the list and what is in it; never held while vfio is called */
	struct list_head list;
	int releasing; /* how many want something gone; as long as they do, nothing is pinned */
	wait_queue_head_t settled; /* something was pinned or unpinned */
};

void ranges_init(struct pinned_ranges *ranges, const struct pinner *pinner);

/* Let go of all that lies between the IOVAs, wholly or in part. */
void ranges_release(struct pinned_ranges *ranges, u64 iova, u64 length);
void ranges_release_all(struct pinned_ranges *ranges);

/* The ioctls of pin_vfio.h. */
long ranges_ioctl(struct pinned_ranges *ranges, unsigned int command, unsigned long argument);

#endif
