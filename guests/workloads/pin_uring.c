/* SPDX-License-Identifier: Apache-2.0 */
/* io_uring's registered buffers: pinned from IORING_REGISTER_BUFFERS until the ring is closed. */
#include <errno.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "answers.h"
#include "pins.h"
#include "ticks.h"
#include "uring_copy.h"

/* io_buffer_validate() in io_uring/rsrc.c takes at most 1 GiB a buffer. */
#define BUFFER_LIMIT (1ul << 30)

struct ring {
	int fd;
	struct uring_copy *copy; /* made for the first transfer */
	struct io_uring_params parameters;
	size_t count;
	struct iovec buffers[];
};

static void unpin(void *pin)
{
	struct ring *ring = pin;

	if (ring->copy)
		uring_copy_close(ring->copy);
	if (ring->fd >= 0) {
		syscall(SYS_io_uring_register, ring->fd, IORING_UNREGISTER_BUFFERS, NULL, 0);
		close(ring->fd);
	}
	free(ring);
}

static bool add_buffer(void *pin, const struct pin_request *request, char *address, size_t bytes)
{
	struct ring *ring = pin;

	(void)request;
	ring->buffers[ring->count++] = (struct iovec){address, bytes};
	return true;
}

/* The kernel pins each buffer by a call of its own, so `calls` counts buffers. */
static bool register_buffers(struct ring *ring, struct pin_result *result)
{
	double start = stopwatch();
	unsigned long long first = processor_ticks();

	if (syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_BUFFERS, ring->buffers,
		    ring->count))
		return failed("IORING_REGISTER_BUFFERS");
	result->ticks = processor_ticks() - first;
	result->seconds = stopwatch() - start;
	return true;
}

static bool open_ring(struct ring *ring)
{
	ring->fd = syscall(SYS_io_uring_setup, 4, &ring->parameters);
	return ring->fd >= 0 || failed("io_uring_setup");
}

static void *pin(const struct pin_request *request, struct pin_result *result)
{
	size_t most = pin_part_count(request, BUFFER_LIMIT);
	struct ring *ring = calloc(1, sizeof(*ring) + most * sizeof(struct iovec));

	if (!ring) {
		failed("calloc");
		return NULL;
	}
	if (open_ring(ring) && pin_parts(ring, request, BUFFER_LIMIT, add_buffer, result) &&
	    register_buffers(ring, result))
		return ring;
	unpin(ring);
	return NULL;
}

/* The registered buffer that offset bytes from the start of the range lie in; offset goes on in it. */
static size_t buffer_at(const struct ring *ring, size_t *offset)
{
	size_t index = 0;

	while (*offset >= ring->buffers[index].iov_len)
		*offset -= ring->buffers[index++].iov_len;
	return index;
}

static bool transfer(void *pin, size_t offset, void *bytes, size_t length,
		     enum dma_direction direction)
{
	struct ring *ring = pin;
	size_t index = buffer_at(ring, &offset);
	const struct iovec *buffer = &ring->buffers[index];

	if (!ring->copy)
		ring->copy = uring_copy_open(ring->fd, &ring->parameters);
	if (!ring->copy)
		return false;
	if (length > buffer->iov_len - offset)
		return failed_with("a transfer reaches behind its buffer", EINVAL);
	return uring_copy_move(ring->copy, index, (char *)buffer->iov_base + offset, bytes, length,
			       direction);
}

const struct pin_path pin_uring = {
	.name = "uring", .pin = pin, .unpin = unpin, .transfer = transfer,
	.places = pin_many_places};
