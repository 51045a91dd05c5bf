/* SPDX-License-Identifier: Apache-2.0 */
/* The module pin_rdma: ib_umem_get as the drivers of RDMA devices call it, one file a call. */
#include <fcntl.h>
#include <infiniband/verbs.h>
#include <pin_rdma.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "answers.h"
#include "pins.h"

struct ranges {
	size_t count;
	int files[];
};

static void unpin(void *pin)
{
	struct ranges *ranges = pin;

	while (ranges->count)
		close(ranges->files[--ranges->count]);
	free(ranges);
}

/* The kernel's access flags are those of libibverbs. */
static bool pin_range(void *pin, const struct pin_request *request, char *address, size_t bytes)
{
	struct pin_rdma_pin asked = {
		.address = (unsigned long)address,
		.length = bytes,
		.access = IBV_ACCESS_REMOTE_READ |
			  (request->writable ? IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE : 0),
	};
	struct ranges *ranges = pin;
	int file = open("/dev/pin_rdma", O_RDWR | O_CLOEXEC);

	if (file < 0)
		return failed("open /dev/pin_rdma");
	ranges->files[ranges->count++] = file;
	strncpy(asked.device, pin_device(request, "rxe0"), sizeof(asked.device) - 1);
	return !ioctl(file, PIN_RDMA_DO_PIN, &asked) || failed("PIN_RDMA_DO_PIN");
}

static void *pin(const struct pin_request *request, struct pin_result *result)
{
	size_t most = pin_part_count(request, 0);
	struct ranges *ranges = calloc(1, sizeof(*ranges) + most * sizeof(int));

	if (!ranges) {
		failed("calloc");
		return NULL;
	}
	if (pin_parts(ranges, request, 0, pin_range, result))
		return ranges;
	unpin(ranges);
	return NULL;
}

const struct pin_path pin_ib_umem = {.name = "ib_umem", .pin = pin, .unpin = unpin};
