/* SPDX-License-Identifier: Apache-2.0 */
/* iommufd: IOMMU_IOAS_MAP pins at once what a device that is attached could use. */
#include <stdlib.h>

#include "answers.h"
#include "iommufd.h"
#include "pins.h"

static void unpin(void *pin)
{
	struct iommufd *iommufd = pin;

	iommufd_unmap(iommufd);
	iommufd_close(iommufd);
	free(iommufd);
}

static bool map_part(void *pin, const struct pin_request *request, char *address, size_t bytes)
{
	return iommufd_map(pin, address, bytes, request->writable);
}

static void *pin(const struct pin_request *request, struct pin_result *result)
{
	struct iommufd *iommufd = calloc(1, sizeof(*iommufd));

	if (!iommufd) {
		failed("calloc");
		return NULL;
	}
	if (iommufd_open(iommufd, pin_device(request, "/dev/vfio/devices/vfio0"), request->iova) &&
	    pin_parts(iommufd, request, 0, map_part, result))
		return iommufd;
	unpin(iommufd);
	return NULL;
}

const struct pin_path pin_iommufd = {.name = "iommufd", .pin = pin, .unpin = unpin};
