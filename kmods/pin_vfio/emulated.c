// SPDX-License-Identifier: GPL-2.0-only
/* Kernels that let a driver register an emulated vfio device by itself (6.1 and later). */
#include "interfaces.h"
#include "ranges.h"

#ifdef HAVE_VFIO_EMULATED
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/vfio.h>

struct emulated {
	struct vfio_device vfio; /* first, as vfio_alloc_device wants it */
	struct pinned_ranges ranges;
	struct page *pages[BATCH_LIMIT]; /* of one call; one pins at a time */
};

static struct emulated *emulated_of(struct vfio_device *vfio)
{
	return container_of(vfio, struct emulated, vfio);
}

static int pin_pages(struct pinned_ranges *ranges, u64 iova, int count, int protection)
{
	struct emulated *emulated = container_of(ranges, struct emulated, ranges);

	return vfio_pin_pages(&emulated->vfio, iova, count, protection, emulated->pages);
}

static void unpin_pages(struct pinned_ranges *ranges, u64 iova, int count)
{
	struct emulated *emulated = container_of(ranges, struct emulated, ranges);

	vfio_unpin_pages(&emulated->vfio, iova, count);
}

static const struct pinner pinner = {.pin = pin_pages, .unpin = unpin_pages};

static int vfio_init(struct vfio_device *vfio)
{
	ranges_init(&emulated_of(vfio)->ranges, &pinner);
	return 0;
}

static void vfio_release(struct vfio_device *vfio)
{
}

static int vfio_open(struct vfio_device *vfio)
{
	return 0;
}

static void vfio_close(struct vfio_device *vfio)
{
	ranges_release_all(&emulated_of(vfio)->ranges);
}

static void vfio_unmapped(struct vfio_device *vfio, u64 iova, u64 length)
{
	ranges_release(&emulated_of(vfio)->ranges, iova, length);
}

static long vfio_ioctl(struct vfio_device *vfio, unsigned int command, unsigned long argument)
{
	return ranges_ioctl(&emulated_of(vfio)->ranges, command, argument);
}

static const struct vfio_device_ops operations = {
	.name = "pin_vfio",
	.init = vfio_init,
	.release = vfio_release,
	.open_device = vfio_open,
	.close_device = vfio_close,
	.dma_unmap = vfio_unmapped,
	.ioctl = vfio_ioctl,
#ifdef HAVE_VFIO_IOMMUFD_EMULATED
	.bind_iommufd = vfio_iommufd_emulated_bind,
	.unbind_iommufd = vfio_iommufd_emulated_unbind,
	.attach_ioas = vfio_iommufd_emulated_attach_ioas,
	.detach_ioas = vfio_iommufd_emulated_detach_ioas,
#endif
};

static void unregister(void *data)
{
	struct emulated *emulated = data;

	vfio_unregister_group_dev(&emulated->vfio);
	vfio_put_device(&emulated->vfio);
}

static int probe(struct platform_device *device)
{
	struct emulated *emulated =
		vfio_alloc_device(emulated, vfio, &device->dev, &operations);
	int error;

	if (IS_ERR(emulated))
		return PTR_ERR(emulated);
	error = vfio_register_emulated_iommu_dev(&emulated->vfio);
	if (error) {
		vfio_put_device(&emulated->vfio);
		return error;
	}
	return devm_add_action_or_reset(&device->dev, unregister, emulated);
}

/* vfio holds the driver's module while the device is open, so there has to be a driver. */
static struct platform_driver driver = {
	.probe = probe,
	.driver = {.name = "pin_vfio"},
	/* The IOMMU group is made in probe: what the bus does for others would not be undone. */
	.driver_managed_dma = true,
};

static struct platform_device *device;

int emulated_init(void)
{
	int error = platform_driver_register(&driver);

	if (error)
		return error;
	device = platform_device_register_simple("pin_vfio", PLATFORM_DEVID_NONE, NULL, 0);
	if (!IS_ERR(device))
		return 0;
	platform_driver_unregister(&driver);
	return PTR_ERR(device);
}

void emulated_exit(void)
{
	platform_device_unregister(device);
	platform_driver_unregister(&driver);
}
#else
int emulated_init(void)
{
	return 0;
}

void emulated_exit(void)
{
}
#endif
