// SPDX-License-Identifier: GPL-2.0-only
#include "ranges.h"

#include <linux/iommu.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

/* One vfio_pin_pages. */
struct pinned_range {
	struct list_head link;
	u64 iova;
	int pages;
};

void ranges_init(struct pinned_ranges *ranges, const struct pinner *pinner)
{
	ranges->pinner = pinner;
	mutex_init(&ranges->lock);
	INIT_LIST_HEAD(&ranges->list);
}

static u64 end_of(const struct pinned_range *range)
{
	return range->iova + ((u64)range->pages << PAGE_SHIFT);
}

static void let_go(struct pinned_ranges *ranges, struct pinned_range *range)
{
	list_del(&range->link);
	ranges->pinner->unpin(ranges, range->iova, range->pages);
	kfree(range);
}

void ranges_release(struct pinned_ranges *ranges, u64 iova, u64 length)
{
	struct pinned_range *range, *next;

	mutex_lock(&ranges->lock);
	list_for_each_entry_safe(range, next, &ranges->list, link)
		if (range->iova < iova + length && end_of(range) > iova)
			let_go(ranges, range);
	mutex_unlock(&ranges->lock);
}

void ranges_release_all(struct pinned_ranges *ranges)
{
	struct pinned_range *range, *next;

	mutex_lock(&ranges->lock);
	list_for_each_entry_safe(range, next, &ranges->list, link) {
		let_go(ranges, range);
		cond_resched();
	}
	mutex_unlock(&ranges->lock);
}

static int pin_batch(struct pinned_ranges *ranges, u64 iova, int pages, int protection)
{
	struct pinned_range *range = kzalloc(sizeof(*range), GFP_KERNEL);
	int taken;

	if (!range)
		return -ENOMEM;
	taken = ranges->pinner->pin(ranges, iova, pages, protection);
	if (taken <= 0) {
		kfree(range);
		return taken ? taken : -EFAULT;
	}
	range->iova = iova;
	range->pages = taken;
	list_add(&range->link, &ranges->list);
	return taken;
}

static int pin_batches(struct pinned_ranges *ranges, struct pin_vfio_pin *request)
{
	int protection = IOMMU_READ | (request->flags & PIN_VFIO_WRITE ? IOMMU_WRITE : 0);
	u64 most = request->batch ? request->batch : BATCH_LIMIT;
	u64 left = request->length >> PAGE_SHIFT;
	u64 iova = request->iova;

	while (left) {
		u64 start = ktime_get_ns();
		int taken = pin_batch(ranges, iova, min(left, most), protection);

		request->nanoseconds += ktime_get_ns() - start;
		request->calls++;
		if (taken < 0)
			return taken;
		left -= taken;
		iova += (u64)taken << PAGE_SHIFT;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static int check(const struct pin_vfio_pin *request)
{
	if (request->flags & ~PIN_VFIO_WRITE || request->batch > BATCH_LIMIT || request->calls ||
	    request->nanoseconds)
		return -EINVAL;
	if (!request->length || !PAGE_ALIGNED(request->iova) || !PAGE_ALIGNED(request->length))
		return -EINVAL;
	if (request->iova + request->length < request->iova)
		return -EINVAL;
	return request->length >> PAGE_SHIFT > totalram_pages() ? -ENOMEM : 0;
}

/* IOVAs pinned twice would be counted twice by vfio, and let go twice when they are unmapped. */
static bool overlaps(struct pinned_ranges *ranges, const struct pin_vfio_pin *request)
{
	struct pinned_range *range;

	list_for_each_entry(range, &ranges->list, link)
		if (range->iova < request->iova + request->length && end_of(range) > request->iova)
			return true;
	return false;
}

static int pin(struct pinned_ranges *ranges, struct pin_vfio_pin *request)
{
	int error = -EBUSY;

	if (mutex_lock_killable(&ranges->lock))
		return -EINTR;
	if (!overlaps(ranges, request))
		error = pin_batches(ranges, request);
	mutex_unlock(&ranges->lock);
	if (error && error != -EBUSY)
		ranges_release(ranges, request->iova, request->length);
	return error;
}

static long ask_pin(struct pinned_ranges *ranges, void __user *argument)
{
	struct pin_vfio_pin request;
	int error;

	if (copy_from_user(&request, argument, sizeof(request)))
		return -EFAULT;
	error = check(&request);
	if (!error)
		error = pin(ranges, &request);
	if (error)
		return error;
	return copy_to_user(argument, &request, sizeof(request)) ? -EFAULT : 0;
}

long ranges_ioctl(struct pinned_ranges *ranges, unsigned int command, unsigned long argument)
{
	void __user *pointer = (void __user *)argument;

	switch (command) {
	case PIN_VFIO_GET_VERSION:
		return put_user(PIN_VFIO_VERSION, (__u32 __user *)pointer);
	case PIN_VFIO_DO_PIN:
		return ask_pin(ranges, pointer);
	case PIN_VFIO_DO_RELEASE:
		ranges_release_all(ranges);
		return 0;
	}
	return -ENOTTY;
}

static int __init pin_vfio_init(void)
{
	int error = emulated_init();

	return error ? error : mediated_init();
}

static void __exit pin_vfio_exit(void)
{
	emulated_exit();
	mediated_exit();
}

module_init(pin_vfio_init);
module_exit(pin_vfio_exit);

MODULE_DESCRIPTION("A vfio device without hardware, which pins what its user maps");
MODULE_LICENSE("GPL");
