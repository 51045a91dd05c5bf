/* SPDX-License-Identifier: Apache-2.0 */
/* vfio type1: VFIO_IOMMU_MAP_DMA pins the range at once, whether or not a device uses it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "answers.h"
#include "pins.h"

struct mappings {
	int container;
	int group;
	uint64_t iova;
	size_t bytes;
};

static void unpin(void *pin)
{
	struct mappings *mappings = pin;
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = mappings->iova, .size = mappings->bytes};

	if (mappings->bytes)
		ioctl(mappings->container, VFIO_IOMMU_UNMAP_DMA, &unmap);
	if (mappings->group >= 0)
		close(mappings->group);
	if (mappings->container >= 0)
		close(mappings->container);
	free(mappings);
}

static bool open_group(struct mappings *mappings, long number)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	char path[64];

	snprintf(path, sizeof(path), "/dev/vfio/%ld", number);
	mappings->group = open(path, O_RDWR | O_CLOEXEC);
	if (mappings->group < 0)
		return failed("open group");
	if (ioctl(mappings->group, VFIO_GROUP_GET_STATUS, &status))
		return failed("VFIO_GROUP_GET_STATUS");
	/* A group is viable when no device in it has a driver other than vfio's. */
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return failed_with("VFIO_GROUP_FLAGS_VIABLE", EPERM);
	return true;
}

static bool open_container(struct mappings *mappings, long number)
{
	mappings->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (mappings->container < 0)
		return failed("open /dev/vfio/vfio");
	if (!open_group(mappings, number))
		return false;
	if (ioctl(mappings->group, VFIO_GROUP_SET_CONTAINER, &mappings->container))
		return failed("VFIO_GROUP_SET_CONTAINER");
	if (ioctl(mappings->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return failed("VFIO_SET_IOMMU");
	return true;
}

static bool map_part(void *pin, const struct pin_request *request, char *address, size_t bytes)
{
	struct mappings *mappings = pin;
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | (request->writable ? VFIO_DMA_MAP_FLAG_WRITE : 0),
		.vaddr = (unsigned long)address,
		.iova = mappings->iova + mappings->bytes,
		.size = bytes,
	};

	if (ioctl(mappings->container, VFIO_IOMMU_MAP_DMA, &map))
		return failed("VFIO_IOMMU_MAP_DMA");
	mappings->bytes += bytes;
	return true;
}

static void *pin(const struct pin_request *request, struct pin_result *result)
{
	struct mappings *mappings = malloc(sizeof(*mappings));

	if (!mappings) {
		failed("malloc");
		return NULL;
	}
	*mappings = (struct mappings){.container = -1, .group = -1, .iova = request->iova};
	if (open_container(mappings, request->group) &&
	    pin_parts(mappings, request, 0, map_part, result))
		return mappings;
	unpin(mappings);
	return NULL;
}

const struct pin_path pin_vfio = {"vfio", pin, unpin, NULL};
