// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client of the RDMA core: hears of devices as they come and go. What is pinned for a device is
 * let go when it goes. One lock for all, as nothing here is in a hurry.
 */
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <rdma/ib_umem.h>
#include <rdma/ib_verbs.h>

#include "range.h"

struct known_device {
	struct list_head link;
	struct ib_device *device;
	struct list_head ranges;
};

static LIST_HEAD(devices);
static DEFINE_MUTEX(lock);

static struct ib_umem *get_umem(struct ib_device *device, const struct pin_rdma_pin *request)
{
#if defined(HAVE_IB_UMEM_GET_VA)
	return ib_umem_get_va(device, request->address, request->length, request->access);
#elif defined(HAVE_IB_UMEM_GET)
	return ib_umem_get(device, request->address, request->length, request->access);
#else
#error "no known way to get an ib_umem"
#endif
}

static struct known_device *find(const char *name)
{
	struct known_device *known;

	list_for_each_entry(known, &devices, link)
		if (!strcmp(dev_name(&known->device->dev), name))
			return known;
	return NULL;
}

static int pin_for(struct known_device *known, struct pinned_range *range, struct pin_rdma_pin *request)
{
	u64 start = ktime_get_ns();
	struct ib_umem *umem = get_umem(known->device, request);

	if (IS_ERR(umem))
		return PTR_ERR(umem);
	request->nanoseconds = ktime_get_ns() - start;
	range->umem = umem;
	list_add(&range->link, &known->ranges);
	return 0;
}

int range_pin(struct pinned_range *range, struct pin_rdma_pin *request)
{
	struct known_device *known;
	int error;

	if (mutex_lock_killable(&lock))
		return -EINTR;
	known = find(request->device);
	if (!known)
		error = -ENODEV;
	else
		error = range->umem ? -EBUSY : pin_for(known, range, request);
	mutex_unlock(&lock);
	return error;
}

int range_read(struct pinned_range *range, struct pin_rdma_read *request)
{
	int error = -ENOENT;

	if (mutex_lock_killable(&lock))
		return -EINTR;
	if (range->umem)
		error = ib_umem_copy_from(&request->word, range->umem, request->offset,
					  sizeof(request->word));
	mutex_unlock(&lock);
	return error;
}

static void let_go(struct pinned_range *range)
{
	list_del(&range->link);
	ib_umem_release(range->umem);
	range->umem = NULL;
}

int range_release(struct pinned_range *range)
{
	int error = -ENOENT;

	mutex_lock(&lock);
	if (range->umem) {
		let_go(range);
		error = 0;
	}
	mutex_unlock(&lock);
	return error;
}

static int device_comes(struct ib_device *device)
{
	struct known_device *known = kzalloc(sizeof(*known), GFP_KERNEL);

	if (!known)
		return -ENOMEM;
	known->device = device;
	INIT_LIST_HEAD(&known->ranges);
	mutex_lock(&lock);
	list_add(&known->link, &devices);
	mutex_unlock(&lock);
	return 0;
}

static void forget(struct known_device *known)
{
	struct pinned_range *range, *next;

	list_for_each_entry_safe(range, next, &known->ranges, link)
		let_go(range);
	list_del(&known->link);
	kfree(known);
}

/* Devices can be given other names while they are there. */
static void device_goes(struct ib_device *device, void *data)
{
	struct known_device *known, *next;

	mutex_lock(&lock);
	list_for_each_entry_safe(known, next, &devices, link)
		if (known->device == device)
			forget(known);
	mutex_unlock(&lock);
}

static struct ib_client client = {
	.name = "pin_rdma",
	.add = device_comes,
	.remove = device_goes,
};

int client_register(void)
{
	return ib_register_client(&client);
}

void client_unregister(void)
{
	ib_unregister_client(&client);
}
