/* SPDX-License-Identifier: Apache-2.0 */
#include "emulated.h"

#include <pin_vfio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "answers.h"
#include "memory.h"

bool emulated_pin(int device, const struct pin_request *request, struct pin_result *result)
{
	struct pin_vfio_pin asked = {
		.iova = request->iova,
		.length = request->bytes,
		.batch = request->batch / SMALL_PAGE,
		.flags = request->writable ? PIN_VFIO_WRITE : 0,
	};

	if (ioctl(device, PIN_VFIO_DO_PIN, &asked))
		return failed("PIN_VFIO_DO_PIN");
	result->bytes = asked.length;
	result->calls = asked.calls;
	result->seconds = asked.nanoseconds / 1e9;
	return true;
}

void emulated_close(int device)
{
	ioctl(device, PIN_VFIO_DO_RELEASE);
	close(device);
}
