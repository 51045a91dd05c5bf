/* SPDX-License-Identifier: Apache-2.0 */
#include "vfio.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "answers.h"

static bool open_group(struct vfio *vfio, long number)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	char path[64];

	snprintf(path, sizeof(path), "/dev/vfio/%ld", number);
	vfio->group = open(path, O_RDWR | O_CLOEXEC);
	if (vfio->group < 0)
		return failed("open group");
	if (ioctl(vfio->group, VFIO_GROUP_GET_STATUS, &status))
		return failed("VFIO_GROUP_GET_STATUS");
	/* A group is viable when no device in it has a driver other than vfio's. */
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return failed_with("VFIO_GROUP_FLAGS_VIABLE", EPERM);
	return true;
}

bool vfio_open(struct vfio *vfio, long group, uint64_t iova)
{
	*vfio = (struct vfio){.container = -1, .group = -1, .iova = iova};
	vfio->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (vfio->container < 0)
		return failed("open /dev/vfio/vfio");
	if (!open_group(vfio, group))
		return false;
	if (ioctl(vfio->group, VFIO_GROUP_SET_CONTAINER, &vfio->container))
		return failed("VFIO_GROUP_SET_CONTAINER");
	if (ioctl(vfio->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return failed("VFIO_SET_IOMMU");
	return true;
}

bool vfio_map(struct vfio *vfio, char *address, size_t bytes, bool writable)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | (writable ? VFIO_DMA_MAP_FLAG_WRITE : 0),
		.vaddr = (unsigned long)address,
		.iova = vfio->iova + vfio->bytes,
		.size = bytes,
	};

	if (ioctl(vfio->container, VFIO_IOMMU_MAP_DMA, &map))
		return failed("VFIO_IOMMU_MAP_DMA");
	vfio->bytes += bytes;
	return true;
}

void vfio_unmap(struct vfio *vfio)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = vfio->iova, .size = vfio->bytes};

	if (vfio->bytes)
		ioctl(vfio->container, VFIO_IOMMU_UNMAP_DMA, &unmap);
	vfio->bytes = 0;
}

void vfio_close(struct vfio *vfio)
{
	if (vfio->group >= 0)
		close(vfio->group);
	if (vfio->container >= 0)
		close(vfio->container);
}
