/* SPDX-License-Identifier: Apache-2.0 */
/* udmabuf: a DMA buffer made of a memfd's pages, which it pins (long-term from 6.11 on). */
#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "answers.h"
#include "memory.h"
#include "pins.h"

struct buffers {
	int device;
	size_t batch; /* bytes of each but the last */
	size_t count;
	int fds[];
};

static void unpin(void *pin)
{
	struct buffers *buffers = pin;

	while (buffers->count)
		close(buffers->fds[--buffers->count]);
	if (buffers->device >= 0)
		close(buffers->device);
	free(buffers);
}

static bool create_part(void *pin, const struct pin_request *request, char *address, size_t bytes)
{
	struct buffers *buffers = pin;
	struct udmabuf_create create = {
		.memfd = request->fd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.offset = request->offset + (address - request->address),
		.size = bytes,
	};
	int fd = ioctl(buffers->device, UDMABUF_CREATE, &create);

	if (fd < 0)
		return failed("UDMABUF_CREATE");
	buffers->fds[buffers->count++] = fd;
	return true;
}

/* The kernel takes only a memfd that can no longer shrink. */
static bool open_device(struct buffers *buffers, int memfd)
{
	if (memfd < 0)
		return failed_with("udmabuf needs --memory memfd", EINVAL);
	if (fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		return failed("F_ADD_SEALS");
	buffers->device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	return buffers->device >= 0 || failed("open /dev/udmabuf");
}

static void *pin(const struct pin_request *request, struct pin_result *result)
{
	size_t most = pin_part_count(request, 0);
	struct buffers *buffers = calloc(1, sizeof(*buffers) + most * sizeof(int));

	if (!buffers) {
		failed("calloc");
		return NULL;
	}
	buffers->device = -1;
	buffers->batch = request->batch ? request->batch : request->bytes;
	if (open_device(buffers, request->fd) && pin_parts(buffers, request, 0, create_part, result))
		return buffers;
	unpin(buffers);
	return NULL;
}

/* Of one page, which a DMA buffer's mapping shows as whoever imports it sees it. */
static bool transfer(void *pin, size_t offset, void *bytes, size_t length,
		     enum dma_direction direction)
{
	const struct buffers *buffers = pin;
	size_t inside = offset % buffers->batch, start = inside & ~(SMALL_PAGE - 1);
	char *page;

	if (inside - start + length > SMALL_PAGE)
		return failed_with("udmabuf moves parts of one page", EINVAL);
	page = mmap(NULL, SMALL_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		    buffers->fds[offset / buffers->batch], start);
	if (page == MAP_FAILED)
		return failed("mmap of a DMA buffer");
	if (direction == TO_MEMORY)
		memcpy(page + inside - start, bytes, length);
	else
		memcpy(bytes, page + inside - start, length);
	munmap(page, SMALL_PAGE);
	return true;
}

const struct pin_path pin_udmabuf = {
	.name = "udmabuf", .pin = pin, .unpin = unpin, .transfer = transfer,
	.places = pin_many_places};
