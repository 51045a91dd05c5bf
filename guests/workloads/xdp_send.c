/* SPDX-License-Identifier: Apache-2.0 */
#include "xdp_send.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "answers.h"
#include "memory.h"
#include "patience.h"
#include "veth.h"

#ifndef SOL_XDP
#define SOL_XDP 283
#endif
#define RING 8
/* No packet that the kernel sends by itself is as short. */
#define FRAME 61
/* What follows the addresses may look like a VLAN tag to the receiver, which takes it out. */
#define ADDRESSES (2 * ETH_ALEN)
#define TAG 4

struct ring {
	char *map;
	size_t bytes;
	struct xdp_ring_offset offset;
};

struct xdp_send {
	int socket;
	int receiver;
	struct veth veth; /* it sends by the first */
	struct ring asked, done;
};

static volatile uint32_t *index_at(const struct ring *ring, uint64_t offset)
{
	return (volatile uint32_t *)(ring->map + offset);
}

static bool size_rings(int socket)
{
	static const int rings[] = {XDP_TX_RING, XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING};
	const int entries = RING;

	for (size_t which = 0; which < sizeof(rings) / sizeof(rings[0]); which++)
		if (setsockopt(socket, SOL_XDP, rings[which], &entries, sizeof(entries)))
			return failed("setsockopt of a ring");
	return true;
}

static bool map_ring(struct ring *ring, int socket, off_t place, size_t entry)
{
	ring->bytes = ring->offset.desc + RING * entry;
	ring->map = mmap(NULL, ring->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, socket,
			 place);
	if (ring->map == MAP_FAILED)
		ring->map = NULL;
	return ring->map || failed("mmap of a ring");
}

static bool map_rings(struct xdp_send *send)
{
	struct xdp_mmap_offsets offsets;
	socklen_t size = sizeof(offsets);

	if (getsockopt(send->socket, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &size))
		return failed("XDP_MMAP_OFFSETS");
	send->asked.offset = offsets.tx;
	send->done.offset = offsets.cr;
	return map_ring(&send->asked, send->socket, XDP_PGOFF_TX_RING, sizeof(struct xdp_desc)) &&
	       map_ring(&send->done, send->socket, XDP_UMEM_PGOFF_COMPLETION_RING, sizeof(uint64_t));
}

static bool bind_sender(const struct xdp_send *send)
{
	struct sockaddr_xdp where = {.sxdp_family = AF_XDP,
				     .sxdp_flags = XDP_COPY,
				     .sxdp_ifindex = if_nametoindex(send->veth.names[0])};

	return !bind(send->socket, (struct sockaddr *)&where, sizeof(where)) ||
	       failed("bind AF_XDP");
}

static bool open_receiver(struct xdp_send *send)
{
	struct sockaddr_ll where = {.sll_family = AF_PACKET,
				    .sll_protocol = htons(ETH_P_ALL),
				    .sll_ifindex = if_nametoindex(send->veth.names[1])};

	send->receiver = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (send->receiver < 0)
		return failed("socket AF_PACKET");
	return !bind(send->receiver, (struct sockaddr *)&where, sizeof(where)) ||
	       failed("bind AF_PACKET");
}

struct xdp_send *xdp_send_open(int socket)
{
	struct xdp_send *send = calloc(1, sizeof(*send));

	if (!send) {
		failed("calloc");
		return NULL;
	}
	send->socket = socket;
	send->receiver = -1;
	if (size_rings(socket) && map_rings(send) && veth_add(&send->veth) && bind_sender(send) &&
	    open_receiver(send))
		return send;
	xdp_send_close(send);
	return NULL;
}

void xdp_send_close(struct xdp_send *send)
{
	if (send->receiver >= 0)
		close(send->receiver);
	if (send->asked.map)
		munmap(send->asked.map, send->asked.bytes);
	if (send->done.map)
		munmap(send->done.map, send->done.bytes);
	veth_delete(&send->veth);
	free(send);
}

static bool post(struct xdp_send *send, uint64_t address)
{
	volatile uint32_t *producer = index_at(&send->asked, send->asked.offset.producer);
	struct xdp_desc *entries = (struct xdp_desc *)(send->asked.map + send->asked.offset.desc);

	entries[*producer % RING] = (struct xdp_desc){.addr = address, .len = FRAME};
	__atomic_store_n(producer, *producer + 1, __ATOMIC_RELEASE);
	if (sendto(send->socket, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 && errno != EAGAIN &&
	    errno != EBUSY)
		return failed("sendto AF_XDP");
	return true;
}

/* Nobody looks at what is done, but a full ring would hold up the next. */
static void take_done(struct xdp_send *send)
{
	volatile uint32_t *consumer = index_at(&send->done, send->done.offset.consumer);

	*consumer = __atomic_load_n(index_at(&send->done, send->done.offset.producer),
				    __ATOMIC_ACQUIRE);
}

/* Receive the frame that was sent from the umem. */
static bool receive(struct xdp_send *send, char *frame)
{
	struct pollfd arrived = {.fd = send->receiver, .events = POLLIN};

	while (poll(&arrived, 1, 1000 * PATIENCE) > 0) {
		ssize_t length = recv(send->receiver, frame, FRAME, MSG_TRUNC);

		if (length == FRAME || length == FRAME - TAG)
			return true;
	}
	return failed_with("no packet arrives", ETIMEDOUT);
}

bool xdp_send_read(struct xdp_send *send, size_t offset, void *bytes, size_t length)
{
	char frame[FRAME];

	if (offset % SMALL_PAGE > SMALL_PAGE - FRAME || length > ADDRESSES)
		return failed_with("a packet begins with the bytes, and ends in their page", EINVAL);
	if (!post(send, offset) || !receive(send, frame))
		return false;
	take_done(send);
	memcpy(bytes, frame, length);
	return true;
}
