/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * What the emulated vfio device of the module pin_vfio understands beyond vfio's own: pin a range
 * of the IOVAs that the container maps, as mediated devices do. Pins last until they are released,
 * their IOVAs are unmapped or the device is closed.
 */
#ifndef PIN_VFIO_H
#define PIN_VFIO_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define PIN_VFIO_VERSION 1

#define PIN_VFIO_WRITE 0x1

struct pin_vfio_pin {
	__u64 iova;   /* bytes, a multiple of the page size */
	__u64 length; /* bytes, a multiple of the page size, not 0 */
	__u32 batch;  /* pages of one vfio_pin_pages, at most 512; 0: 512 */
	__u32 flags;
	__u64 calls;	   /* out */
	__u64 nanoseconds; /* out: spent in those calls */
};

#define PIN_VFIO_GET_VERSION _IOR('p', 0xf0, __u32)
#define PIN_VFIO_DO_PIN _IOWR('p', 0xf1, struct pin_vfio_pin)
#define PIN_VFIO_DO_RELEASE _IO('p', 0xf2)

#endif
