/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * What /dev/pin_rdma understands: pin a range of the caller's memory for an RDMA device as its
 * driver does. A file holds one range, until it is released, closed, or the device goes.
 */
#ifndef PIN_RDMA_H
#define PIN_RDMA_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define PIN_RDMA_VERSION 2

struct pin_rdma_pin {
	__u64 address; /* bytes */
	__u64 length;  /* bytes, not 0 */
	__u32 access;  /* IB_ACCESS_* */
	__u32 padding; /* 0 */
	char device[64];
	__u64 nanoseconds; /* out: spent in ib_umem_get */
};

/* Read a word through the pages that are pinned, not by the addresses they had. */
struct pin_rdma_read {
	__u64 offset; /* in the range, bytes */
	__u64 word;   /* out */
};

#define PIN_RDMA_GET_VERSION _IOR('p', 0xe8, __u32)
#define PIN_RDMA_DO_PIN _IOWR('p', 0xe9, struct pin_rdma_pin)
#define PIN_RDMA_DO_RELEASE _IO('p', 0xea)
#define PIN_RDMA_DO_READ _IOWR('p', 0xeb, struct pin_rdma_read)

#endif
