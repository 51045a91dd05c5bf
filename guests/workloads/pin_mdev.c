/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The module pin_vfio: a vfio device without hardware behind it. Mapping pins nothing then; the
 * device's driver pins what it needs by vfio_pin_pages.
 */
#include <linux/vfio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "answers.h"
#include "emulated.h"
#include "pins.h"
#include "vfio.h"

struct mdev {
	struct vfio vfio;
	int device;
};

static void unpin(void *pin)
{
	struct mdev *mdev = pin;

	if (mdev->device >= 0)
		emulated_close(mdev->device);
	vfio_unmap(&mdev->vfio);
	vfio_close(&mdev->vfio);
	free(mdev);
}

static bool map(struct mdev *mdev, const struct pin_request *request)
{
	struct vfio *vfio = &mdev->vfio;

	if (!vfio_open(vfio, request->group, request->iova))
		return false;
	if (!vfio_map(vfio, request->address, request->bytes, request->writable))
		return false;
	mdev->device = ioctl(vfio->group, VFIO_GROUP_GET_DEVICE_FD, pin_device(request, "pin_vfio"));
	return mdev->device >= 0 || failed("VFIO_GROUP_GET_DEVICE_FD");
}

static void *pin(const struct pin_request *request, struct pin_result *result)
{
	struct mdev *mdev = calloc(1, sizeof(*mdev));

	if (!mdev) {
		failed("calloc");
		return NULL;
	}
	mdev->device = -1;
	if (map(mdev, request) && emulated_pin(mdev->device, request, result))
		return mdev;
	unpin(mdev);
	return NULL;
}

const struct pin_path pin_mdev = {.name = "mdev", .pin = pin, .unpin = unpin};
