/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "answers.h"
#include "marks.h"

#define MIB (1ul << 20)
#define NODES 1024
#define NODE_BITS (8 * sizeof(unsigned long))
/* Page sizes in the flags of mmap(2), and the same for memfd_create(2). */
#define HUGE_2M (MAP_HUGETLB | (21 << MAP_HUGE_SHIFT))
#define HUGE_1G (MAP_HUGETLB | (30 << MAP_HUGE_SHIFT))
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
/* include/uapi/asm-generic/mman-common.h; glibc has it from 2.40 on */
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif

const char memory_kinds[] = "anon, thp, mthp, hugetlb2m, hugetlb1g, shmem, memfd, secret, file";

static const struct memory_kind kinds[] = {
	{"anon", SMALL_PAGE, ANON, MADV_NOHUGEPAGE, NO_FILE},
	{"thp", 2 * MIB, ANON, MADV_HUGEPAGE, NO_FILE},
	{"mthp", 2 * MIB, ANON, MADV_HUGEPAGE, NO_FILE},
	{"hugetlb2m", 2 * MIB, ANON | HUGE_2M, -1, NO_FILE},
	{"hugetlb1g", 1024 * MIB, ANON | HUGE_1G, -1, NO_FILE},
	{"shmem", SMALL_PAGE, MAP_SHARED | MAP_ANONYMOUS, -1, NO_FILE},
	{"memfd", SMALL_PAGE, MAP_SHARED, -1, MEMFD},
	{"secret", SMALL_PAGE, MAP_SHARED, -1, SECRET},
	{"file", SMALL_PAGE, MAP_SHARED, -1, NAMED_FILE},
};

const struct memory_kind *memory_kind(const char *name)
{
	for (size_t index = 0; index < sizeof(kinds) / sizeof(kinds[0]); index++)
		if (!strcmp(kinds[index].name, name))
			return &kinds[index];
	return NULL;
}

static bool open_file(struct memory *memory, const char *path)
{
	static const char *const calls[] = {
		[MEMFD] = "memfd_create", [SECRET] = "memfd_secret", [NAMED_FILE] = "open"};

	memory->fd = -1;
	if (memory->kind->file == NO_FILE)
		return true;
	if (memory->kind->file == MEMFD)
		memory->fd = memfd_create("holder", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	else if (memory->kind->file == SECRET)
		memory->fd = syscall(SYS_memfd_secret, O_CLOEXEC);
	else
		memory->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (memory->fd < 0)
		return failed(calls[memory->kind->file]);
	if (ftruncate(memory->fd, memory->bytes))
		return failed("ftruncate");
	return true;
}

/* Reserve addresses that start on a boundary of the kind's page size. */
static char *aligned_address(const struct memory *memory)
{
	size_t page = memory->kind->page_bytes;
	char *address = mmap(NULL, memory->bytes + page, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
	char *start;

	if (address == MAP_FAILED)
		return NULL;
	start = (char *)(((unsigned long)address + page - 1) & ~(page - 1));
	munmap(address, memory->bytes + page);
	return start;
}

/* Of a file, only tmpfs asks for the mapping's policy; others go by the process's. That one the
 * kernel's own pages follow too (page tables), so it is not set without need. */
static bool goes_by_process(const struct memory *memory)
{
	struct statfs filesystem;

	if (memory->kind->file != NAMED_FILE)
		return false;
	return fstatfs(memory->fd, &filesystem) || filesystem.f_type != TMPFS_MAGIC;
}

static int policy_of(const struct placement *placement)
{
	if (placement->interleave)
		return MPOL_INTERLEAVE;
	return placement->prefer ? MPOL_PREFERRED : MPOL_BIND;
}

static void set_nodes(const struct placement *placement, unsigned long *mask)
{
	for (int node = placement->interleave ? 0 : placement->node; node <= placement->node; node++)
		mask[node / NODE_BITS] |= 1ul << (node % NODE_BITS);
}

static bool place_on(const struct memory *memory, const struct placement *placement)
{
	const int policy = policy_of(placement);
	unsigned long mask[NODES / NODE_BITS] = {0};

	if (placement->node < 0)
		return true;
	if (placement->node >= NODES)
		return failed_with("mbind", EINVAL);
	set_nodes(placement, mask);
	if ((placement->process || goes_by_process(memory)) &&
	    syscall(SYS_set_mempolicy, policy, mask, NODES))
		return failed("set_mempolicy");
	if (syscall(SYS_mbind, memory->address, memory->bytes, policy, mask, NODES, 0))
		return failed("mbind");
	return true;
}

bool memory_map(struct memory *memory, const struct placement *placement, const char *path)
{
	const struct memory_kind *kind = memory->kind;
	const int protection = PROT_READ | PROT_WRITE;

	if (!open_file(memory, path))
		return false;
	memory->address = aligned_address(memory);
	if (!memory->address)
		return failed("mmap");
	memory->address = mmap(memory->address, memory->bytes, protection, kind->map_flags,
			       memory->fd, 0);
	if (memory->address == MAP_FAILED)
		return failed("mmap");
	if (kind->advice >= 0 && madvise(memory->address, memory->bytes, kind->advice))
		return failed("madvise");
	return place_on(memory, placement);
}

bool memory_lock_on_fault(struct memory *memory)
{
	/* Locking what is there drains this CPU's LRU caches (mm/mlock.c, mlock_vma_pages_range). */
	if (mlock2(memory->address, memory->bytes, MLOCK_ONFAULT))
		return failed("mlock2");
	if (munlock(memory->address, memory->bytes))
		return failed("munlock");
	if (madvise(memory->address, memory->bytes, MADV_DONTNEED))
		return failed("madvise");
	if (mlock2(memory->address, memory->bytes, MLOCK_ONFAULT))
		return failed("mlock2");
	memory_fault(memory);
	return true;
}

bool memory_move(const struct memory *memory, int node, size_t offset, size_t bytes)
{
	unsigned long mask[NODES / NODE_BITS] = {0};

	if (node < 0 || node >= NODES)
		return failed_with("mbind", EINVAL);
	mask[node / NODE_BITS] = 1ul << (node % NODE_BITS);
	return !syscall(SYS_mbind, memory->address + offset, bytes, MPOL_BIND, mask, NODES,
			MPOL_MF_MOVE | MPOL_MF_STRICT) ||
	       failed("mbind");
}

bool memory_forbid(struct memory *memory, size_t offset, size_t bytes)
{
	memory->marked = false;
	return !mprotect(memory->address + offset, bytes, PROT_NONE) || failed("mprotect");
}

bool memory_lock(const struct memory *memory)
{
	return !mlock(memory->address, memory->bytes) || failed("mlock");
}

bool memory_remap(struct memory *memory)
{
	char *address = aligned_address(memory);

	if (!address)
		return failed("mmap");
	address = mremap(memory->address, memory->bytes, memory->bytes,
			 MREMAP_MAYMOVE | MREMAP_FIXED, address);
	if (address == MAP_FAILED)
		return failed("mremap");
	memory->address = address;
	return true;
}

static int advice_number(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} known[] = {
		{"dontfork", MADV_DONTFORK},   {"dofork", MADV_DOFORK},
		{"dontneed", MADV_DONTNEED},   {"hugepage", MADV_HUGEPAGE},
		{"nohugepage", MADV_NOHUGEPAGE}, {"mergeable", MADV_MERGEABLE},
		{"cold", MADV_COLD},	       {"pageout", MADV_PAGEOUT},
		{"remove", MADV_REMOVE},       {"free", MADV_FREE},
		{"hwpoison", MADV_HWPOISON},   {"soft-offline", MADV_SOFT_OFFLINE},
		{"unmergeable", MADV_UNMERGEABLE},
	};

	for (size_t index = 0; index < sizeof(known) / sizeof(known[0]); index++)
		if (!strcmp(known[index].name, name))
			return known[index].number;
	return -1;
}

static void take_note(int number)
{
	(void)number;
}

/* Who poisons a page that it has mapped is sent SIGBUS for it, once; the next is for using it. */
static void outlive_poison(void)
{
	const struct sigaction once = {.sa_handler = take_note, .sa_flags = SA_RESETHAND};

	sigaction(SIGBUS, &once, NULL);
}

bool memory_advise(struct memory *memory, const char *advice, size_t offset, size_t bytes)
{
	int number = advice_number(advice);

	if (number < 0)
		return failed_with("no such advice", EINVAL);
	if (number == MADV_HWPOISON)
		outlive_poison();
	if (number == MADV_DONTNEED || number == MADV_REMOVE || number == MADV_FREE ||
	    number == MADV_HWPOISON)
		memory->marked = false;
	return !madvise(memory->address + offset, bytes, number) || failed("madvise");
}

/* Reads of a megabyte, so that the kernel reads ahead in folios as large as it ever makes. */
static void read_file(const struct memory *memory)
{
	static char chunk[MIB];

	for (size_t offset = 0; offset < memory->bytes; offset += sizeof(chunk))
		if (pread(memory->fd, chunk, sizeof(chunk), offset) <= 0)
			break;
	madvise(memory->address, memory->bytes, MADV_WILLNEED);
}

void memory_touch_some(const struct memory *memory, size_t pages)
{
	volatile const char *byte = memory->address;

	for (size_t offset = 0; offset < memory->bytes; offset += pages * SMALL_PAGE)
		(void)byte[offset];
}

void memory_touch(const struct memory *memory)
{
	if (memory->kind->file == NAMED_FILE)
		read_file(memory);
	memory_touch_some(memory, 1);
}

void memory_fault(struct memory *memory)
{
	marks_write(memory->address, memory->bytes);
	memory->marked = true;
}
