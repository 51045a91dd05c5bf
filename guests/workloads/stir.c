/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stir NODE MIB: memory for others to move, until it is killed: a part whose pages are alike, for
 * KSM, and one in small pages, for khugepaged. Both are put on NODE, and then used as if nobody had
 * asked for a node, for NUMA balancing to bring them here; again and again.
 */
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NODES 1024
#define HUGE (2ul << 20)
/* CPU time of one placing (seconds): the kernel looks at a process's memory about once a second. */
#define USED 3

struct part {
	char *memory;
	size_t bytes;
	int filled_with;
	int fault_as, advice;
};

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static char *map(size_t bytes)
{
	char *memory = mmap(NULL, bytes + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);

	if (memory == MAP_FAILED)
		fail("stir: mmap");
	return memory + (HUGE - (size_t)memory % HUGE) % HUGE;
}

/* Advice that a kernel does not know is about what it does not do. */
static void advise(const struct part *part, int advice)
{
	(void)!madvise(part->memory, part->bytes, advice);
}

static void set_policy(const struct part *part, int policy, int node)
{
	unsigned long mask[NODES / (8 * sizeof(unsigned long))] = {1ul << node};

	if (syscall(SYS_mbind, part->memory, part->bytes, policy,
		    policy == MPOL_DEFAULT ? NULL : mask, policy == MPOL_DEFAULT ? 0 : NODES, 0))
		fail("stir: mbind");
}

static void place(const struct part *part, int node)
{
	set_policy(part, MPOL_PREFERRED, node);
	advise(part, MADV_DONTNEED);
	advise(part, part->fault_as);
	memset(part->memory, part->filled_with, part->bytes);
	advise(part, part->advice);
	set_policy(part, MPOL_DEFAULT, node);
}

static void use(const struct part *parts, size_t count)
{
	const clock_t end = clock() + USED * CLOCKS_PER_SEC;

	while (clock() < end)
		for (size_t n = 0; n < count; n++)
			for (size_t at = 0; at < parts[n].bytes; at += 64)
				(void)*(volatile char *)(parts[n].memory + at);
}

int main(int count, char **words)
{
	const int node = count == 3 ? atoi(words[1]) : -1;
	const size_t bytes = count == 3 ? strtoul(words[2], NULL, 0) << 20 : 0;
	struct part parts[] = {
		{.filled_with = 7, .fault_as = MADV_NOHUGEPAGE, .advice = MADV_MERGEABLE},
		{.filled_with = 9, .fault_as = MADV_NOHUGEPAGE, .advice = MADV_HUGEPAGE},
	};

	if (node < 0 || node >= 64 || !bytes) {
		fputs("stir NODE MIB\n", stderr);
		return 2;
	}
	for (size_t n = 0; n < 2; n++) {
		parts[n].bytes = bytes / 2;
		parts[n].memory = map(parts[n].bytes);
	}
	for (;;) {
		place(&parts[0], node);
		place(&parts[1], node);
		use(parts, 2);
	}
}
