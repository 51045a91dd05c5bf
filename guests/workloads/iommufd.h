/* SPDX-License-Identifier: Apache-2.0 */
/* An address space of /dev/iommu with one device of vfio in it, Documentation/userspace-api/iommufd.rst. */
#ifndef HOLDER_IOMMUFD_H
#define HOLDER_IOMMUFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct iommufd {
	int iommu;
	int device;
	uint32_t space;
	uint64_t iova; /* where the mappings begin */
	size_t bytes;  /* mapped from there on */
};

/* Open a device of /dev/vfio/devices and attach it; iommufd_close() in either case. */
bool iommufd_open(struct iommufd *iommufd, const char *device, uint64_t iova);
void iommufd_close(struct iommufd *iommufd);

/* Map memory behind what is mapped already. */
bool iommufd_map(struct iommufd *iommufd, char *address, size_t bytes, bool writable);

/* Unmap all. */
void iommufd_unmap(struct iommufd *iommufd);

#endif
