// SPDX-License-Identifier: GPL-2.0-only
#include "ranges.h"

#include <linux/iommu.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

/* How long an unmap waits for what others pin or unpin; vfio asks again when something is left. */
#define PATIENCE HZ

enum state { COMING = 1, HELD = 2, LEAVING = 4 };
#define MOVING (COMING | LEAVING)

/* One vfio_pin_pages. */
struct pinned_range {
	struct list_head link;
	u64 iova;
	int pages;
	enum state state;
};

void ranges_init(struct pinned_ranges *ranges, const struct pinner *pinner)
{
	ranges->pinner = pinner;
	mutex_init(&ranges->pinning);
	spin_lock_init(&ranges->lock);
	INIT_LIST_HEAD(&ranges->list);
	ranges->releasing = 0;
	init_waitqueue_head(&ranges->settled);
}

static bool is_within(const struct pinned_range *range, u64 iova, u64 length)
{
	return range->iova - iova < length ||
	       iova - range->iova < (u64)range->pages << PAGE_SHIFT;
}

/* A range between the IOVAs in one of the states, by the caller's lock; NULL when there is none. */
static struct pinned_range *find(struct pinned_ranges *ranges, u64 iova, u64 length, int states)
{
	struct pinned_range *range;

	list_for_each_entry(range, &ranges->list, link) {
		if (range->state & states && is_within(range, iova, length))
			return range;
	}
	return NULL;
}

static bool has(struct pinned_ranges *ranges, u64 iova, u64 length, int states)
{
	bool found;

	spin_lock(&ranges->lock);
	found = find(ranges, iova, length, states);
	spin_unlock(&ranges->lock);
	return found;
}

/* Make room in the list for what is about to be pinned, unless something is about to go. */
static struct pinned_range *announce(struct pinned_ranges *ranges, u64 iova, int pages)
{
	struct pinned_range *range = kzalloc(sizeof(*range), GFP_KERNEL);
	bool refused;

	if (!range)
		return ERR_PTR(-ENOMEM);
	range->iova = iova;
	range->pages = pages;
	range->state = COMING;
	spin_lock(&ranges->lock);
	refused = ranges->releasing;
	if (!refused)
		list_add(&range->link, &ranges->list);
	spin_unlock(&ranges->lock);
	if (!refused)
		return range;
	kfree(range);
	return ERR_PTR(-EBUSY);
}

/* Of what was announced so many pages are pinned. */
static void settle(struct pinned_ranges *ranges, struct pinned_range *range, int pages)
{
	spin_lock(&ranges->lock);
	range->pages = pages;
	range->state = HELD;
	spin_unlock(&ranges->lock);
	wake_up_all(&ranges->settled);
}

static void forget(struct pinned_ranges *ranges, struct pinned_range *range)
{
	spin_lock(&ranges->lock);
	list_del(&range->link);
	spin_unlock(&ranges->lock);
	wake_up_all(&ranges->settled);
	kfree(range);
}

/* A held range between the IOVAs, which is the caller's to let go; NULL when there is none. */
static struct pinned_range *take(struct pinned_ranges *ranges, u64 iova, u64 length)
{
	struct pinned_range *range;

	spin_lock(&ranges->lock);
	range = find(ranges, iova, length, HELD);
	if (range)
		range->state = LEAVING;
	spin_unlock(&ranges->lock);
	return range;
}

static void count_releasing(struct pinned_ranges *ranges, int more)
{
	spin_lock(&ranges->lock);
	ranges->releasing += more;
	spin_unlock(&ranges->lock);
}

void ranges_release(struct pinned_ranges *ranges, u64 iova, u64 length)
{
	struct pinned_range *range;

	count_releasing(ranges, 1);
	wait_event_timeout(ranges->settled, !has(ranges, iova, length, MOVING), PATIENCE);
	while ((range = take(ranges, iova, length))) {
		ranges->pinner->unpin(ranges, range->iova, range->pages);
		forget(ranges, range);
		cond_resched();
	}
	count_releasing(ranges, -1);
}

void ranges_release_all(struct pinned_ranges *ranges)
{
	mutex_lock(&ranges->pinning);
	ranges_release(ranges, 0, U64_MAX);
	mutex_unlock(&ranges->pinning);
}

static int pin_batch(struct pinned_ranges *ranges, u64 iova, int pages, int protection)
{
	struct pinned_range *range = announce(ranges, iova, pages);
	int taken;

	if (IS_ERR(range))
		return PTR_ERR(range);
	taken = ranges->pinner->pin(ranges, iova, pages, protection);
	if (taken > 0)
		settle(ranges, range, taken);
	else
		forget(ranges, range);
	return taken ? taken : -EFAULT;
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

static int pin(struct pinned_ranges *ranges, struct pin_vfio_pin *request)
{
	int error = -EBUSY;

	if (mutex_lock_killable(&ranges->pinning))
		return -EINTR;
	/* IOVAs pinned twice would be counted twice by vfio, and let go twice when they are unmapped. */
	if (!has(ranges, request->iova, request->length, HELD | MOVING)) {
		error = pin_batches(ranges, request);
		if (error)
			ranges_release(ranges, request->iova, request->length);
	}
	mutex_unlock(&ranges->pinning);
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
