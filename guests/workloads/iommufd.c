/* SPDX-License-Identifier: Apache-2.0 */
#include "iommufd.h"

#include <fcntl.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "answers.h"

/*
 * include/uapi/linux/iommufd.h and vfio.h of 6.6, which not every host has: each call begins with
 * the size of what it is given.
 */
#define IOAS_ALLOC _IO(';', 0x81)
#define IOAS_MAP _IO(';', 0x85)
#define IOAS_UNMAP _IO(';', 0x86)
#define DEVICE_BIND _IO(VFIO_TYPE, VFIO_BASE + 18)
#define DEVICE_ATTACH _IO(VFIO_TYPE, VFIO_BASE + 19)
#define MAP_FIXED_IOVA (1u << 0)
#define MAP_WRITEABLE (1u << 1)
#define MAP_READABLE (1u << 2)

struct ioas_alloc {
	uint32_t size, flags, space;
};

struct ioas_map {
	uint32_t size, flags, space, reserved;
	uint64_t address, bytes, iova;
};

struct ioas_unmap {
	uint32_t size, space;
	uint64_t iova, bytes;
};

struct device_bind {
	uint32_t size, flags;
	int32_t iommu;
	uint32_t id;
};

struct device_attach {
	uint32_t size, flags, table;
};

static bool open_device(struct iommufd *iommufd, const char *device)
{
	struct device_bind bind = {.size = sizeof(bind), .iommu = iommufd->iommu};

	iommufd->device = open(device, O_RDWR | O_CLOEXEC);
	if (iommufd->device < 0)
		return failed("open of a vfio device");
	return !ioctl(iommufd->device, DEVICE_BIND, &bind) || failed("VFIO_DEVICE_BIND_IOMMUFD");
}

static bool make_space(struct iommufd *iommufd)
{
	struct ioas_alloc made = {.size = sizeof(made)};

	if (ioctl(iommufd->iommu, IOAS_ALLOC, &made))
		return failed("IOMMU_IOAS_ALLOC");
	iommufd->space = made.space;
	return true;
}

static bool attach(const struct iommufd *iommufd)
{
	struct device_attach attached = {.size = sizeof(attached), .table = iommufd->space};

	return !ioctl(iommufd->device, DEVICE_ATTACH, &attached) ||
	       failed("VFIO_DEVICE_ATTACH_IOMMUFD_PT");
}

bool iommufd_open(struct iommufd *iommufd, const char *device, uint64_t iova)
{
	*iommufd = (struct iommufd){.iommu = -1, .device = -1, .iova = iova};
	iommufd->iommu = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (iommufd->iommu < 0)
		return failed("open /dev/iommu");
	return open_device(iommufd, device) && make_space(iommufd) && attach(iommufd);
}

bool iommufd_map(struct iommufd *iommufd, char *address, size_t bytes, bool writable)
{
	struct ioas_map map = {
		.size = sizeof(map),
		.flags = MAP_FIXED_IOVA | MAP_READABLE | (writable ? MAP_WRITEABLE : 0),
		.space = iommufd->space,
		.address = (unsigned long)address,
		.bytes = bytes,
		.iova = iommufd->iova + iommufd->bytes,
	};

	if (ioctl(iommufd->iommu, IOAS_MAP, &map))
		return failed("IOMMU_IOAS_MAP");
	iommufd->bytes += bytes;
	return true;
}

void iommufd_unmap(struct iommufd *iommufd)
{
	struct ioas_unmap unmap = {.size = sizeof(unmap),
				   .space = iommufd->space,
				   .iova = iommufd->iova,
				   .bytes = iommufd->bytes};

	if (iommufd->bytes)
		ioctl(iommufd->iommu, IOAS_UNMAP, &unmap);
	iommufd->bytes = 0;
}

void iommufd_close(struct iommufd *iommufd)
{
	if (iommufd->device >= 0)
		close(iommufd->device);
	if (iommufd->iommu >= 0)
		close(iommufd->iommu);
}
