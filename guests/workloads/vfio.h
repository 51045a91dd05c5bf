/* SPDX-License-Identifier: Apache-2.0 */
/* A vfio container with one group in it, Documentation/driver-api/vfio.rst. */
#ifndef HOLDER_VFIO_H
#define HOLDER_VFIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vfio {
	int container;
	int group;
	uint64_t iova; /* where the mappings begin */
	size_t bytes;  /* mapped from there on */
};

/* Open the group and its container with a type 1 IOMMU; vfio_close() in either case. */
bool vfio_open(struct vfio *vfio, long group, uint64_t iova);
void vfio_close(struct vfio *vfio);

/* Map memory behind what is mapped already. */
bool vfio_map(struct vfio *vfio, char *address, size_t bytes, bool writable);

/* Unmap all. */
void vfio_unmap(struct vfio *vfio);

#endif
