/* SPDX-License-Identifier: Apache-2.0 */
/* The memory a pin is put on. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#define SMALL_PAGE 4096ul

struct memory_kind {
	const char *name;
	size_t page_bytes;
	int map_flags;
	int advice; /* for madvise, -1 for none */
	enum { NO_FILE, MEMFD, SECRET, NAMED_FILE } file;
};

struct memory {
	const struct memory_kind *kind;
	char *address;
	size_t bytes;
	int fd; /* -1 where there is no file */
	bool marked; /* each page has its mark, see marks.h */
};

/* NULL when there is no such kind. */
const struct memory_kind *memory_kind(const char *name);

/* The kinds' names, for people. */
extern const char memory_kinds[];

/*
 * Where a mapping's pages come from: from `node` only, or if `prefer` there as long as it has free
 * pages (-1: anywhere); with `interleave` in turn from all nodes up to `node`. With `process` that
 * is the process's policy too, which the kernel goes by for what it allocates on its behalf.
 */
struct placement {
	int node;
	bool prefer;
	bool interleave;
	bool process;
};

/*
 * Map memory->bytes of memory->kind, touching none of it. `path` is the file to map, for the kind
 * `file`; as most filesystems go by the process's policy, that is set too.
 */
bool memory_map(struct memory *memory, const struct placement *placement, const char *path);

/*
 * Have each page locked as it is faulted in anew (mlock2, MLOCK_ONFAULT). A file's pages are those
 * that were there before, and those that this CPU faulted in first are on an LRU list by then.
 */
bool memory_lock_on_fault(struct memory *memory);

/* Lock the pages that are there, and fault the others in (mlock). */
bool memory_lock(const struct memory *memory);

/* Map the pages at other addresses (mremap). */
bool memory_remap(struct memory *memory);

/* madvise(2) `bytes` from `offset` on, by the advice's name in small letters, `dontfork`. */
bool memory_advise(struct memory *memory, const char *advice, size_t offset, size_t bytes);

/* Move the pages of a part of it to a node, whatever else they prefer; new ones come from there. */
bool memory_move(const struct memory *memory, int node, size_t offset, size_t bytes);

/* Take every access to a part of it away, so that a pin of that is refused; the marks are gone. */
bool memory_forbid(struct memory *memory, size_t offset, size_t bytes);

/* Fault every page in by writing its mark to it. */
void memory_fault(struct memory *memory);

/* Fault every page in by reading it, a file's pages in folios as large as the kernel makes them. */
void memory_touch(const struct memory *memory);

/* Read one page of each `pages`. */
void memory_touch_some(const struct memory *memory, size_t pages);

#endif
