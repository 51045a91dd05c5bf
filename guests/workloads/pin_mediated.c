/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The module pin_vfio: a vfio device without hardware behind it. Mapping pins nothing then; the
 * device's driver pins what it needs by vfio_pin_pages.
 */
#include <linux/vfio.h>
#include <pin_vfio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "answers.h"
#include "memory.h"
#include "pins.h"
#include "vfio.h"

struct mediated {
	struct vfio vfio;
	int device;
};

static void unpin(void *pin)
{
	struct mediated *mediated = pin;

	if (mediated->device >= 0) {
		ioctl(mediated->device, PIN_VFIO_DO_RELEASE);
		close(mediated->device);
	}
	vfio_unmap(&mediated->vfio);
	vfio_close(&mediated->vfio);
	free(mediated);
}

static bool map(struct mediated *mediated, const struct pin_request *request)
{
	struct vfio *vfio = &mediated->vfio;

	if (!vfio_open(vfio, request->group, request->iova))
		return false;
	if (!vfio_map(vfio, request->address, request->bytes, request->writable))
		return false;
	mediated->device = ioctl(vfio->group, VFIO_GROUP_GET_DEVICE_FD, pin_device(request, "pin_vfio"));
	return mediated->device >= 0 || failed("VFIO_GROUP_GET_DEVICE_FD");
}

static bool pin_mapped(struct mediated *mediated, const struct pin_request *request,
		       struct pin_result *result)
{
	struct pin_vfio_pin asked = {
		.iova = request->iova,
		.length = request->bytes,
		.batch = request->batch / SMALL_PAGE,
		.flags = request->writable ? PIN_VFIO_WRITE : 0,
	};

	if (ioctl(mediated->device, PIN_VFIO_DO_PIN, &asked))
		return failed("PIN_VFIO_DO_PIN");
	result->bytes = asked.length;
	result->calls = asked.calls;
	result->seconds = asked.nanoseconds / 1e9;
	return true;
}

static void *pin(const struct pin_request *request, struct pin_result *result)
{
	struct mediated *mediated = calloc(1, sizeof(*mediated));

	if (!mediated) {
		failed("calloc");
		return NULL;
	}
	mediated->device = -1;
	if (map(mediated, request) && pin_mapped(mediated, request, result))
		return mediated;
	unpin(mediated);
	return NULL;
}

const struct pin_path pin_mediated = {.name = "mediated", .pin = pin, .unpin = unpin};
