/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The module pin_vfio by way of iommufd: what is mapped for its device is pinned when the driver
 * asks for it (vfio_pin_pages, which ends in iommufd_access_pin_pages).
 */
#include <stdlib.h>

#include "answers.h"
#include "emulated.h"
#include "iommufd.h"
#include "pins.h"

static void unpin(void *pin)
{
	struct iommufd *iommufd = pin;

	if (iommufd->device >= 0)
		emulated_close(iommufd->device);
	iommufd->device = -1;
	iommufd_unmap(iommufd);
	iommufd_close(iommufd);
	free(iommufd);
}

static void *pin(const struct pin_request *request, struct pin_result *result)
{
	struct iommufd *iommufd = calloc(1, sizeof(*iommufd));

	if (!iommufd) {
		failed("calloc");
		return NULL;
	}
	if (iommufd_open(iommufd, pin_device(request, "/dev/vfio/devices/vfio0"), request->iova) &&
	    iommufd_map(iommufd, request->address, request->bytes, request->writable) &&
	    emulated_pin(iommufd->device, request, result))
		return iommufd;
	unpin(iommufd);
	return NULL;
}

const struct pin_path pin_access = {.name = "access", .pin = pin, .unpin = unpin};
