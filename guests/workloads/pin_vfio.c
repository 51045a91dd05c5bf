/* SPDX-License-Identifier: Apache-2.0 */
/* vfio type1: VFIO_IOMMU_MAP_DMA pins the range at once, whether or not a device uses it. */
#include <stdlib.h>

#include "answers.h"
#include "pins.h"
#include "vfio.h"

static void unpin(void *pin)
{
	vfio_unmap(pin);
	vfio_close(pin);
	free(pin);
}

static bool map_part(void *pin, const struct pin_request *request, char *address, size_t bytes)
{
	return vfio_map(pin, address, bytes, request->writable);
}

static void *pin(const struct pin_request *request, struct pin_result *result)
{
	struct vfio *vfio = malloc(sizeof(*vfio));

	if (!vfio) {
		failed("malloc");
		return NULL;
	}
	if (vfio_open(vfio, request->group, request->iova) &&
	    pin_parts(vfio, request, 0, map_part, result))
		return vfio;
	unpin(vfio);
	return NULL;
}

const struct pin_path pin_vfio = {"vfio", pin, unpin, NULL};
