/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's edu device under vfio-pci, which copies memory by DMA: docs/specs/edu.txt in QEMU. */
#ifndef EDU_H
#define EDU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most it copies at once, bytes: up to QEMU 8 the whole of its buffer counts as too much. */
#define EDU_BUFFER 2048ul

struct edu;

/* The device called `name` (0000:00:07.0) of a vfio group; NULL after failed(). */
struct edu *edu_open(int group, const char *name);
void edu_close(struct edu *edu);

/* Copy from one IOVA to another, at most EDU_BUFFER bytes; takes the device 0.2 s. */
bool edu_copy(struct edu *edu, uint64_t from, uint64_t to, size_t bytes);

#endif
