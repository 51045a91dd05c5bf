/* SPDX-License-Identifier: Apache-2.0 */
/* Two queue pairs of one RDMA device, connected to each other: moves data through the device. */
#ifndef RDMA_LOOP_H
#define RDMA_LOOP_H

#include <infiniband/verbs.h>
#include <stdbool.h>
#include <stddef.h>

#include "pins.h"

struct rdma_loop;

/* NULL after failed(). */
struct rdma_loop *rdma_loop_open(struct ibv_context *device, struct ibv_pd *domain);
void rdma_loop_close(struct rdma_loop *loop);

/* Write to the region at `address`, or read from it, at most DMA_CHUNK bytes. */
bool rdma_loop_move(struct rdma_loop *loop, const struct ibv_mr *region, const char *address,
		    void *bytes, size_t length, enum dma_direction direction);

#endif
