/* SPDX-License-Identifier: Apache-2.0 */
/*
 * READ_FIXED and WRITE_FIXED, one at a time: the kernel copies through the pages that it pinned
 * when the buffer was registered, not by the addresses (io_uring/rsrc.c, io_import_fixed).
 */
#include "uring_copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "answers.h"

struct area {
	char *start;
	size_t bytes;
};

struct uring_copy {
	int ring;
	int file; /* what goes through it lies here for as long */
	struct io_uring_params parameters;
	struct area submissions, completions, entries;
};

static bool map_area(struct area *area, int ring, size_t bytes, unsigned long long offset)
{
	area->start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring,
			   offset);
	if (area->start == MAP_FAILED)
		area->start = NULL;
	area->bytes = bytes;
	return area->start || failed("mmap of an io_uring");
}

static bool map_rings(struct uring_copy *copy)
{
	const struct io_uring_params *p = &copy->parameters;
	size_t indexes = p->sq_off.array + p->sq_entries * sizeof(unsigned int);
	size_t results = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);

	return map_area(&copy->submissions, copy->ring, indexes, IORING_OFF_SQ_RING) &&
	       map_area(&copy->completions, copy->ring, results, IORING_OFF_CQ_RING) &&
	       map_area(&copy->entries, copy->ring, p->sq_entries * sizeof(struct io_uring_sqe),
			IORING_OFF_SQES);
}

static void unmap_area(struct area *area)
{
	if (area->start)
		munmap(area->start, area->bytes);
}

void uring_copy_close(struct uring_copy *copy)
{
	unmap_area(&copy->submissions);
	unmap_area(&copy->completions);
	unmap_area(&copy->entries);
	if (copy->file >= 0)
		close(copy->file);
	free(copy);
}

struct uring_copy *uring_copy_open(int ring, const struct io_uring_params *parameters)
{
	struct uring_copy *copy = calloc(1, sizeof(*copy));

	if (!copy) {
		failed("calloc");
		return NULL;
	}
	copy->ring = ring;
	copy->parameters = *parameters;
	copy->file = memfd_create("copy", MFD_CLOEXEC);
	if (copy->file < 0)
		failed("memfd_create");
	else if (map_rings(copy))
		return copy;
	uring_copy_close(copy);
	return NULL;
}

static unsigned int *word_of(const struct area *area, unsigned int offset)
{
	return (unsigned int *)(area->start + offset);
}

static void submit(struct uring_copy *copy, const struct io_uring_sqe *entry)
{
	const struct io_sqring_offsets *offsets = &copy->parameters.sq_off;
	unsigned int *tail = word_of(&copy->submissions, offsets->tail);
	unsigned int slot = *tail & *word_of(&copy->submissions, offsets->ring_mask);

	((struct io_uring_sqe *)copy->entries.start)[slot] = *entry;
	word_of(&copy->submissions, offsets->array)[slot] = slot;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
}

/* The result of the oldest request, which has ended. */
static int take_result(struct uring_copy *copy)
{
	const struct io_cqring_offsets *offsets = &copy->parameters.cq_off;
	const struct io_uring_cqe *results =
		(struct io_uring_cqe *)(copy->completions.start + offsets->cqes);
	unsigned int *head = word_of(&copy->completions, offsets->head);
	int result = results[*head & *word_of(&copy->completions, offsets->ring_mask)].res;

	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return result;
}

static bool carry_out(struct uring_copy *copy, const struct io_uring_sqe *entry)
{
	int result;

	submit(copy, entry);
	if (syscall(SYS_io_uring_enter, copy->ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		return failed("io_uring_enter");
	result = take_result(copy);
	if (result < 0)
		return failed_with("a transfer of io_uring", -result);
	return (unsigned int)result == entry->len || failed_with("a transfer of io_uring", EIO);
}

bool uring_copy_move(struct uring_copy *copy, size_t index, const char *address, void *bytes,
		     size_t length, enum dma_direction direction)
{
	const bool to_memory = direction == TO_MEMORY;
	const struct io_uring_sqe entry = {
		.opcode = to_memory ? IORING_OP_READ_FIXED : IORING_OP_WRITE_FIXED,
		.fd = copy->file,
		.addr = (unsigned long)address,
		.len = length,
		.buf_index = index,
	};

	if (to_memory && pwrite(copy->file, bytes, length, 0) != (ssize_t)length)
		return failed("pwrite");
	if (!carry_out(copy, &entry))
		return false;
	return to_memory || pread(copy->file, bytes, length, 0) == (ssize_t)length ||
	       failed("pread");
}
