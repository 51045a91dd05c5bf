/* SPDX-License-Identifier: Apache-2.0 */
/* AF_XDP: packet buffers (umem), pinned from XDP_UMEM_REG until the socket is closed. */
#include <errno.h>
#include <linux/if_xdp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "answers.h"
#include "memory.h"
#include "pins.h"
#include "xdp_send.h"

#ifndef SOL_XDP
#define SOL_XDP 283
#endif

struct sockets {
	struct xdp_send *send; /* made for the first transfer */
	size_t count;
	int fds[];
};

static void unpin(void *pin)
{
	struct sockets *sockets = pin;

	if (sockets->send)
		xdp_send_close(sockets->send);
	while (sockets->count)
		close(sockets->fds[--sockets->count]);
	free(sockets);
}

static bool register_part(void *pin, const struct pin_request *request, char *address, size_t bytes)
{
	struct sockets *sockets = pin;
	struct xdp_umem_reg umem = {
		.addr = (unsigned long)address, .len = bytes, .chunk_size = SMALL_PAGE};
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	(void)request;
	if (fd < 0)
		return failed("socket AF_XDP");
	sockets->fds[sockets->count++] = fd;
	return !setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof(umem)) ||
	       failed("XDP_UMEM_REG");
}

static void *pin(const struct pin_request *request, struct pin_result *result)
{
	size_t most = pin_part_count(request, 0);
	struct sockets *sockets = calloc(1, sizeof(*sockets) + most * sizeof(int));

	if (!sockets) {
		failed("calloc");
		return NULL;
	}
	if (pin_parts(sockets, request, 0, register_part, result))
		return sockets;
	unpin(sockets);
	return NULL;
}

/* What the network device sends from there. */
static bool transfer(void *pin, size_t offset, void *bytes, size_t length,
		     enum dma_direction direction)
{
	struct sockets *sockets = pin;

	if (direction != FROM_MEMORY)
		return failed_with("packets are only sent", EINVAL);
	if (!sockets->send)
		sockets->send = xdp_send_open(sockets->fds[0]);
	return sockets->send && xdp_send_read(sockets->send, offset, bytes, length);
}

/* Of one socket; others would each need a pair of devices. */
static size_t places(void *pin)
{
	const struct sockets *sockets = pin;

	return sockets->count == 1 ? pin_many_places(pin) : 0;
}

const struct pin_path pin_xdp = {
	.name = "xdp", .pin = pin, .unpin = unpin, .transfer = transfer, .places = places,
	.only_reads = true};
