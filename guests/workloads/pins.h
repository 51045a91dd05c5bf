/* SPDX-License-Identifier: Apache-2.0 */
/* The ways to pin memory, one file each. */
#ifndef PINS_H
#define PINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What a `pin` command asks for. */
struct pin_request {
	char *address;
	size_t bytes;
	size_t batch;	    /* bytes a call takes; 0: as many as it can */
	bool writable;	    /* the pin may write to the memory */
	bool on_demand;	    /* rdma: an ODP region, which pins nothing */
	bool window;	    /* rdma: used through a memory window */
	bool detached;	    /* kmod: the pin outlives the holder */
	bool clean;	    /* kmod: released as if never written to */
	bool short_term;    /* kmod: without FOLL_LONGTERM */
	const char *device; /* which device, where there are several; NULL: the path's usual one */
	const char *entry;  /* kmod: which way into get_user_pages */
	long pid;	    /* kmod: whose memory, by the entry remote; 0: the holder's */
	long group;	    /* vfio: which IOMMU group */
	uint64_t iova;	    /* vfio: where the device sees the memory */
	int fd;		    /* of memory that is a file, else -1 */
	uint64_t offset;    /* of the address in that file */
};

/* What came of it. */
struct pin_result {
	size_t bytes; /* really held */
	unsigned long calls;
	double seconds; /* spent in those calls */
	unsigned long long ticks; /* the same by the time stamp counter; 0: not counted */
};

/* Bytes moved through a device at once. */
#define DMA_CHUNK 65536

enum dma_direction { TO_MEMORY, FROM_MEMORY };

/*
 * `pin` returns what `unpin` takes to undo it, or NULL after failed(). Several pins may be held
 * at once. `report`, where there is one, writes where the kernel says the pinned pages lie, as
 * lists [pfn, count, node, "zone", order] with commas between them; false after failed().
 * `transfer`, where there is one, has the device write to the pinned range or read from it, at
 * most DMA_CHUNK bytes at `offset` in the range; false after failed(). `places` is how many
 * pages are to be looked at where a word in each will do: fewer where each takes long, 0 where this
 * pin has nobody that could use it.
 */
struct pin_path {
	const char *name;
	void *(*pin)(const struct pin_request *request, struct pin_result *result);
	void (*unpin)(void *pin);
	bool (*report)(void *pin, FILE *text);
	bool (*transfer)(void *pin, size_t offset, void *bytes, size_t length,
			 enum dma_direction direction);
	size_t (*places)(void *pin);
	bool only_reads; /* `transfer` goes FROM_MEMORY alone */
};

/* Of paths whose transfers take less than a millisecond. */
size_t pin_many_places(void *pin);

extern const struct pin_path pin_access, pin_iommufd, pin_kmod, pin_mdev, pin_rdma, pin_udmabuf,
	pin_ib_umem, pin_uring, pin_v4l2, pin_vdpa, pin_vfio, pin_vmsplice, pin_xdp;

/* NULL when there is no such path. */
const struct pin_path *pin_path(const char *name);

/* The device asked for. */
const char *pin_device(const struct pin_request *request, const char *usual);

/* One call on one part of the range. */
typedef bool pin_part(void *pin, const struct pin_request *request, char *address, size_t bytes);

/* Pin the range part by part, each at most `limit` bytes (0: no limit), and time the calls. */
bool pin_parts(void *pin, const struct pin_request *request, size_t limit, pin_part *part,
	       struct pin_result *result);

/* How many parts that will be. */
size_t pin_part_count(const struct pin_request *request, size_t limit);

#endif
