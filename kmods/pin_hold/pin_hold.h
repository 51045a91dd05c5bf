/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * What /dev/pin_hold understands. A pin takes a range of the caller's memory and holds it until
 * it is released, its file is closed or its process dies; a detached pin until it is released or
 * the module is unloaded.
 */
#ifndef PIN_HOLD_H
#define PIN_HOLD_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define PIN_HOLD_VERSION 2

/* Ways into the kernel's get_user_pages; bit 1 << ENTRY of `entries` says it can be had. */
enum pin_hold_entry {
	PIN_HOLD_FAST,	   /* pin_user_pages_fast */
	PIN_HOLD_LOCKED,   /* pin_user_pages under the mmap lock */
	PIN_HOLD_REMOTE,   /* pin_user_pages_remote, on the caller's memory or another's */
	PIN_HOLD_UNLOCKED, /* pin_user_pages_unlocked */
	PIN_HOLD_MEMFD,	   /* memfd_pin_folios; `address` is an offset in `fd`, a page is a folio */
};

#define PIN_HOLD_WRITE 0x1    /* FOLL_WRITE */
#define PIN_HOLD_LONGTERM 0x2 /* FOLL_LONGTERM */
#define PIN_HOLD_DETACHED 0x4 /* outlives its file */
#define PIN_HOLD_CLEAN 0x8    /* released as if never written to, as a faulty driver does */

struct pin_hold_about {
	__u32 version;
	__u32 entries;
};

struct pin_hold_pin {
	__u64 address; /* bytes, a multiple of the page size */
	__u64 length;  /* bytes, a multiple of the page size, not 0 */
	__u64 batch;   /* pages asked for in one call; 0: all of them */
	__u32 entry;
	__u32 flags;
	union {
		__s32 fd;  /* PIN_HOLD_MEMFD: the file */
		__s32 pid; /* PIN_HOLD_REMOTE: whose memory; 0: the caller's */
	};		   /* of other entries 0 */
	__u32 handle;	 /* out */
	__u64 calls;	 /* out */
	__u64 nanoseconds; /* out: spent in those calls */
};

struct pin_hold_page {
	__u64 pfn;
	__s32 node;
	__u32 order; /* of the folio the page is part of */
	char zone[8]; /* "Normal", "Movable" ... */
};

struct pin_hold_pages {
	__u32 handle;
	__u32 padding; /* 0 */
	__u64 first;   /* index of the first page wanted */
	__u64 count;   /* in: entries that fit; out: entries filled in, 0 at the end */
	__u64 pages;   /* address of struct pin_hold_page[count] */
};

struct pin_hold_release {
	__u32 handle;
	__u32 padding; /* 0 */
};

/* Moves bytes of a pin as a device would: through its pages, not by the addresses they had. */
struct pin_hold_move {
	__u32 handle;
	__u32 to_memory; /* 1: write to the pin, which PIN_HOLD_WRITE allows; 0: read from it */
	__u64 offset;	 /* in the pin, bytes */
	__u64 length;	 /* bytes; offset and length stay in one page */
	__u64 bytes;	 /* address of the caller's */
};

#define PIN_HOLD_GET_ABOUT _IOR('p', 0xe0, struct pin_hold_about)
#define PIN_HOLD_DO_PIN _IOWR('p', 0xe1, struct pin_hold_pin)
#define PIN_HOLD_GET_PAGES _IOWR('p', 0xe2, struct pin_hold_pages)
#define PIN_HOLD_DO_RELEASE _IOW('p', 0xe3, struct pin_hold_release)
#define PIN_HOLD_DO_MOVE _IOW('p', 0xe4, struct pin_hold_move)

#endif
