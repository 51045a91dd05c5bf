/* SPDX-License-Identifier: Apache-2.0 */
/* The module pin_rdma: ib_umem_get as the drivers of RDMA devices call it, one file a call. */
#include <errno.h>
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
	size_t batch; /* bytes of each but the last */
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
	ranges->batch = request->batch ? request->batch : request->bytes;
	if (pin_parts(ranges, request, 0, pin_range, result))
		return ranges;
	unpin(ranges);
	return NULL;
}

static bool read_word(const struct ranges *ranges, size_t offset, void *word)
{
	struct pin_rdma_read asked = {.offset = offset % ranges->batch};

	if (ioctl(ranges->files[offset / ranges->batch], PIN_RDMA_DO_READ, &asked))
		return failed("PIN_RDMA_DO_READ");
	memcpy(word, &asked.word, sizeof(asked.word));
	return true;
}

static bool transfer(void *pin, size_t offset, void *bytes, size_t length,
		     enum dma_direction direction)
{
	if (direction == TO_MEMORY)
		return failed_with("pin_rdma only reads", EACCES);
	for (size_t done = 0; done < length; done += sizeof(uint64_t))
		if (!read_word(pin, offset + done, (char *)bytes + done))
			return false;
	return true;
}

const struct pin_path pin_ib_umem = {
	.name = "ib_umem", .pin = pin, .unpin = unpin, .transfer = transfer,
	.places = pin_many_places, .only_reads = true};
