/* SPDX-License-Identifier: Apache-2.0 */
/* Two queue pairs of one RDMA device, connected to each other: moves data through the device. */
#ifndef RDMA_LOOP_H
#define RDMA_LOOP_H

#include <infiniband/verbs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pins.h"

struct rdma_loop;

/* NULL after failed(). */
struct rdma_loop *rdma_loop_open(struct ibv_context *device, struct ibv_pd *domain);
void rdma_loop_close(struct rdma_loop *loop);

/* Write at `address` by a region's or a window's key, or read there, at most DMA_CHUNK bytes. */
bool rdma_loop_move(struct rdma_loop *loop, uint32_t key, const char *address, void *bytes,
		    size_t length, enum dma_direction direction);

/* Let a window, of type 1, show all of a region. */
bool rdma_loop_bind(struct rdma_loop *loop, struct ibv_mw *window, struct ibv_mr *region,
		    bool writable);

#endif
