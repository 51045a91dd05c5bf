/* SPDX-License-Identifier: Apache-2.0 */
#include "pins.h"

#include <string.h>

#include "answers.h"
#include "ticks.h"

static const struct pin_path *const paths[] = {
	&pin_access, &pin_iommufd, &pin_kmod, &pin_mdev, &pin_rdma, &pin_udmabuf,  &pin_ib_umem,
	&pin_uring,  &pin_v4l2,	   &pin_vdpa, &pin_vfio, &pin_vmsplice, &pin_xdp,
};

const struct pin_path *pin_path(const char *name)
{
	for (size_t index = 0; index < sizeof(paths) / sizeof(paths[0]); index++)
		if (!strcmp(paths[index]->name, name))
			return paths[index];
	return NULL;
}

size_t pin_many_places(void *pin)
{
	(void)pin;
	return 16;
}

const char *pin_device(const struct pin_request *request, const char *usual)
{
	return request->device ? request->device : usual;
}

static size_t part_bytes(const struct pin_request *request, size_t limit)
{
	size_t bytes = request->batch ? request->batch : request->bytes;

	return limit && bytes > limit ? limit : bytes;
}

size_t pin_part_count(const struct pin_request *request, size_t limit)
{
	size_t bytes = part_bytes(request, limit);

	return (request->bytes + bytes - 1) / bytes;
}

bool pin_parts(void *pin, const struct pin_request *request, size_t limit, pin_part *part,
	       struct pin_result *result)
{
	size_t most = part_bytes(request, limit);
	double start = stopwatch();
	unsigned long long first = processor_ticks();

	while (result->bytes < request->bytes) {
		size_t left = request->bytes - result->bytes;
		size_t bytes = left < most ? left : most;

		if (!part(pin, request, request->address + result->bytes, bytes))
			return false;
		result->bytes += bytes;
		result->calls++;
	}
	result->ticks = processor_ticks() - first;
	result->seconds = stopwatch() - start;
	return true;
}
