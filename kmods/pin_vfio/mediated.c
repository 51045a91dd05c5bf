// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kernels where such devices are mediated ones (5.10): a user makes one by writing a UUID to
 * /sys/devices/pin_vfio/mdev_supported_types/pin_vfio-pin/create.
 */
#include "interfaces.h"
#include "ranges.h"

#ifdef HAVE_MDEV_PARENT_OPS
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/kobject.h>
#include <linux/mdev.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/slab.h>
#include <linux/vfio.h>

/* Pages of one call, on the stack. */
#define UNPIN_LIMIT 32

struct mediated {
	struct device *device;
	struct pinned_ranges ranges;
	struct notifier_block unmapped;
	/* Page frame numbers of one call; one pins at a time. */
	unsigned long from[BATCH_LIMIT], to[BATCH_LIMIT];
};

/* Page frame numbers of the IOVAs, one after the other. */
static void number_pages(unsigned long *pages, u64 iova, int count)
{
	int index;

	for (index = 0; index < count; index++)
		pages[index] = (iova >> PAGE_SHIFT) + index;
}

static int pin_pages(struct pinned_ranges *ranges, u64 iova, int count, int protection)
{
	struct mediated *mediated = container_of(ranges, struct mediated, ranges);

	number_pages(mediated->from, iova, count);
	return vfio_pin_pages(mediated->device, mediated->from, count, protection, mediated->to);
}

/* Several may unpin at once, and while another pins. */
static void unpin_pages(struct pinned_ranges *ranges, u64 iova, int count)
{
	struct mediated *mediated = container_of(ranges, struct mediated, ranges);
	unsigned long pages[UNPIN_LIMIT];

	while (count > 0) {
		int some = min(count, UNPIN_LIMIT);

		number_pages(pages, iova, some);
		vfio_unpin_pages(mediated->device, pages, some);
		iova += (u64)some << PAGE_SHIFT;
		count -= some;
	}
}

static const struct pinner pinner = {.pin = pin_pages, .unpin = unpin_pages};

static int on_unmapped(struct notifier_block *block, unsigned long action, void *data)
{
	struct mediated *mediated = container_of(block, struct mediated, unmapped);
	struct vfio_iommu_type1_dma_unmap *unmap = data;

	if (action == VFIO_IOMMU_NOTIFY_DMA_UNMAP)
		ranges_release(&mediated->ranges, unmap->iova, unmap->size);
	return NOTIFY_OK;
}

static int mediated_create(struct kobject *type, struct mdev_device *mdev)
{
	struct mediated *mediated = kzalloc(sizeof(*mediated), GFP_KERNEL);

	if (!mediated)
		return -ENOMEM;
	mediated->device = mdev_dev(mdev);
	mediated->unmapped.notifier_call = on_unmapped;
	ranges_init(&mediated->ranges, &pinner);
	mdev_set_drvdata(mdev, mediated);
	return 0;
}

static int mediated_remove(struct mdev_device *mdev)
{
	kfree(mdev_get_drvdata(mdev));
	return 0;
}

static int mediated_open(struct mdev_device *mdev)
{
	struct mediated *mediated = mdev_get_drvdata(mdev);
	unsigned long events = VFIO_IOMMU_NOTIFY_DMA_UNMAP;
	int error;

	/* mdev does not hold the parent's module: unloading would wait for the user. */
	if (!try_module_get(THIS_MODULE))
		return -ENODEV;
	error = vfio_register_notifier(mediated->device, VFIO_IOMMU_NOTIFY, &events,
				       &mediated->unmapped);
	if (error)
		module_put(THIS_MODULE);
	return error;
}

static void mediated_close(struct mdev_device *mdev)
{
	struct mediated *mediated = mdev_get_drvdata(mdev);

	ranges_release_all(&mediated->ranges);
	vfio_unregister_notifier(mediated->device, VFIO_IOMMU_NOTIFY, &mediated->unmapped);
	module_put(THIS_MODULE);
}

static long mediated_ioctl(struct mdev_device *mdev, unsigned int command, unsigned long argument)
{
	struct mediated *mediated = mdev_get_drvdata(mdev);

	return ranges_ioctl(&mediated->ranges, command, argument);
}

static ssize_t available_instances_show(struct kobject *type, struct device *device, char *text)
{
	return sprintf(text, "1\n");
}
static MDEV_TYPE_ATTR_RO(available_instances);

static ssize_t device_api_show(struct kobject *type, struct device *device, char *text)
{
	return sprintf(text, "pin_vfio\n");
}
static MDEV_TYPE_ATTR_RO(device_api);

static struct attribute *type_attributes[] = {
	&mdev_type_attr_available_instances.attr,
	&mdev_type_attr_device_api.attr,
	NULL,
};

static struct attribute_group type = {
	.name = "pin",
	.attrs = type_attributes,
};

static struct attribute_group *types[] = {&type, NULL};

static const struct mdev_parent_ops operations = {
	.owner = THIS_MODULE,
	.supported_type_groups = types,
	.create = mediated_create,
	.remove = mediated_remove,
	.open = mediated_open,
	.release = mediated_close,
	.ioctl = mediated_ioctl,
};

/* mdev takes the driver's name for its types, so the parent has to have one. */
static struct device_driver driver = {.name = "pin_vfio", .owner = THIS_MODULE};
static struct device *parent;

int mediated_init(void)
{
	int error;

	parent = root_device_register("pin_vfio");
	if (IS_ERR(parent))
		return PTR_ERR(parent);
	parent->driver = &driver;
	error = mdev_register_device(parent, &operations);
	if (error)
		root_device_unregister(parent);
	return error;
}

void mediated_exit(void)
{
	mdev_unregister_device(parent);
	parent->driver = NULL;
	root_device_unregister(parent);
}
#else
int mediated_init(void)
{
#ifdef HAVE_VFIO_EMULATED
	return 0;
#else
#error "this kernel has neither emulated vfio devices nor mdev_parent_ops"
#endif
}

void mediated_exit(void)
{
}
#endif
