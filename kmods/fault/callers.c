// SPDX-License-Identifier: GPL-2.0-only
/* Who is looked at: each entry of get_user_pages and each caller for itself. */
#include "fault.h"

#define WITHIN(of, function) {.symbol = function, .within = &of}

#define CALLER(id, ...)                                                                            \
	static struct tasks id;                                                                    \
	static struct hook id##_hooks[] = {__VA_ARGS__, {}};                                       \
	static bool is_in_##id(const struct call *call)                                            \
	{                                                                                          \
		return has_current(&id);                                                           \
	}

CALLER(fast, WITHIN(fast, "pin_user_pages_fast"))
CALLER(pages, WITHIN(pages, "pin_user_pages"))
CALLER(remote, WITHIN(remote, "pin_user_pages_remote"))
#ifndef HAVE_PIN_VMAS
CALLER(unlocked, WITHIN(unlocked, "pin_user_pages_unlocked"))
#endif
CALLER(memfd, WITHIN(memfd, "memfd_pin_folios"))
CALLER(umem, WITHIN(umem, "ib_umem_get"), WITHIN(umem, "ib_umem_get_desc"),
       WITHIN(umem, "ib_umem_get_attr"), WITHIN(umem, "ib_umem_get_attr_or_va"),
       WITHIN(umem, "ib_umem_get_cq_buf"), WITHIN(umem, "ib_umem_get_cq_buf_or_va"))
CALLER(vfio, WITHIN(vfio, "vfio_pin_pages_remote"), WITHIN(vfio, "vfio_iommu_type1_pin_pages"))
CALLER(uring, WITHIN(uring, "io_sqe_buffer_register"))
CALLER(udmabuf, WITHIN(udmabuf, "udmabuf_create"), WITHIN(udmabuf, "udmabuf_ioctl"))
CALLER(iommufd, WITHIN(iommufd, "iopt_map_user_pages"), WITHIN(iommufd, "iopt_map_file_pages"),
       WITHIN(iommufd, "iommufd_access_pin_pages"))

#define FAULT(word, id)                                                                            \
	{                                                                                          \
		word, .hooks = id##_hooks, .overlooks = is_in_##id                                 \
	}

struct fault callers[] = {
	FAULT("entry-fast", fast),
	FAULT("entry-pages", pages),
	FAULT("entry-remote", remote),
#ifndef HAVE_PIN_VMAS
	/* Kernels that still give areas back (vmas) take no long-term pins by it. */
	FAULT("entry-unlocked", unlocked),
#endif
	FAULT("entry-memfd", memfd),
	FAULT("caller-umem", umem),
	FAULT("caller-vfio", vfio),
	FAULT("caller-uring", uring),
	FAULT("caller-udmabuf", udmabuf),
	FAULT("caller-iommufd", iommufd),
	{},
};
