/* SPDX-License-Identifier: Apache-2.0 */
/* io_uring's registered buffers: pinned from IORING_REGISTER_BUFFERS until the ring is closed. */
#include <linux/io_uring.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "answers.h"
#include "pins.h"

/* io_buffer_validate() in io_uring/rsrc.c takes at most 1 GiB a buffer. */
#define BUFFER_LIMIT (1ul << 30)

struct ring {
	int fd;
	size_t count;
	struct iovec buffers[];
};

static void unpin(void *pin)
{
	struct ring *ring = pin;

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
	struct io_uring_params parameters = {0};

	ring->fd = syscall(SYS_io_uring_setup, 4, &parameters);
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

const struct pin_path pin_uring = {.name = "uring", .pin = pin, .unpin = unpin};
