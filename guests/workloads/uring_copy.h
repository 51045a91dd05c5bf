/* SPDX-License-Identifier: Apache-2.0 */
/* Has an io_uring read from its registered buffers and write to them, by way of a memfd. */
#ifndef URING_COPY_H
#define URING_COPY_H

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stddef.h>

#include "pins.h"

struct uring_copy;

/* NULL after failed(). */
struct uring_copy *uring_copy_open(int ring, const struct io_uring_params *parameters);
void uring_copy_close(struct uring_copy *copy);

/* Write to registered buffer `index` at `address`, or read from it; false after failed(). */
bool uring_copy_move(struct uring_copy *copy, size_t index, const char *address, void *bytes,
		     size_t length, enum dma_direction direction);

#endif
