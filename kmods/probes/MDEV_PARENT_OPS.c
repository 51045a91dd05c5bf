// SPDX-License-Identifier: GPL-2.0-only
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/kobject.h>
#include <linux/mdev.h>
#include <linux/vfio.h>

static const struct mdev_parent_ops operations;

int probe(struct device *parent, unsigned long *from, unsigned long *to)
{
	int taken = vfio_pin_pages(parent, from, 1, IOMMU_READ, to);

	vfio_unpin_pages(parent, from, taken);
	return mdev_register_device(parent, &operations);
}
