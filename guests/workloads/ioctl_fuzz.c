/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Throws random requests at the farm's own devices, from processes that are killed in the middle of
 * them: `ioctl_fuzz SECONDS SEED DEVICE...`. A device is a path, or `vfio:GROUP:NAME` for a vfio
 * device, whose memory is mapped and unmapped meanwhile. Whatever an ioctl returns is fine; the
 * kernel's log is what tells. Ends with status 0 and a count of the requests that succeeded and
 * failed.
 */
#include <fcntl.h>
#include <linux/ioctl.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vfio.h"

#define PAGE 4096ul
#define PAGES 256ul
#define WORDS 16
#define THREADS 3
/* How long a process gets before it is killed, in microseconds. */
#define LIFE 30000

/* The numbers of pin_hold.h, pin_rdma.h and pin_vfio.h, and their neighbours. */
#define FIRST_NUMBER 0xe0
#define NUMBERS 0x20

struct tally {
	unsigned long good;
	unsigned long bad;
};

static struct tally *tally;
static int device = -1;
static struct vfio vfio = {.container = -1, .group = -1};
static char *memory;
static int memfd;

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static uint64_t an_address(uint64_t *state)
{
	uint64_t offset = next_random(state) % (PAGES * PAGE);

	return (uint64_t)memory + (next_random(state) % 4 ? offset & ~(PAGE - 1) : offset);
}

/* Something a field may hold: mostly sensible, at times not. */
static uint64_t a_value(uint64_t *state)
{
	static const uint64_t odd[] = {~0ull,	     1ull << 63, 1ull << 47, 1ull << 32,
				       0x7fffffffull, 0xffffffffull, 0xdeadbeefull};

	switch (next_random(state) % 8) {
	case 0:
		return odd[next_random(state) % (sizeof(odd) / sizeof(odd[0]))];
	case 1:
	case 2:
		return an_address(state);
	case 3:
	case 4:
		return (1 + next_random(state) % PAGES) * PAGE;
	case 5:
		return (uint64_t)memfd;
	case 6:
		return next_random(state);
	default:
		return next_random(state) % 8;
	}
}

static void fill(uint64_t *words, uint64_t *state)
{
	for (int index = 0; index < WORDS; index++)
		words[index] = next_random(state) % 3 ? a_value(state) : 0;
	if (next_random(state) % 2)
		memcpy(&words[3], "rxe0", 5);
}

static unsigned int a_command(uint64_t *state)
{
	static const unsigned int sizes[] = {0, 4, 8, 16, 32, 40, 48, 56, 64, 96};
	unsigned int direction = next_random(state) % 4;
	unsigned int number = FIRST_NUMBER + next_random(state) % NUMBERS;

	return _IOC(direction, 'p', number, sizes[next_random(state) % 10]);
}

/* The commands there are, with the layout of their arguments. */
static unsigned int a_known_command(uint64_t *state)
{
	static const unsigned int known[] = {
		_IOC(_IOC_READ, 'p', 0xe0, 8),
		_IOC(_IOC_READ | _IOC_WRITE, 'p', 0xe1, 56),
		_IOC(_IOC_READ | _IOC_WRITE, 'p', 0xe2, 32),
		_IOC(_IOC_WRITE, 'p', 0xe3, 8),
		_IOC(_IOC_READ | _IOC_WRITE, 'p', 0xe9, 96),
		_IOC(_IOC_NONE, 'p', 0xea, 0),
		_IOC(_IOC_READ, 'p', 0xf0, 4),
		_IOC(_IOC_READ | _IOC_WRITE, 'p', 0xf1, 40),
		_IOC(_IOC_NONE, 'p', 0xf2, 0),
	};

	return known[next_random(state) % (sizeof(known) / sizeof(known[0]))];
}

/* The fields of a pin that have to be 0 or small for anything to happen. */
static void make_likely(uint64_t *words, uint64_t *state)
{
	words[0] = an_address(state) & ~(PAGE - 1);
	words[1] = (1 + next_random(state) % 16) * PAGE;
	words[2] = next_random(state) % 5;
	words[3] = next_random(state) % 3 ? next_random(state) % 4 | (next_random(state) % 8) << 32 : 0;
	words[4] = words[5] = words[6] = 0;
}

/* Takes IOVAs away from under their pins, as many as the kernel lets go. */
static void remap(void)
{
	vfio_unmap(&vfio);
	vfio_map(&vfio, memory, PAGES * PAGE, true);
}

static _Noreturn void throw(uint64_t seed, bool remaps)
{
	uint64_t state = seed | 1;

	for (;;) {
		unsigned int command =
			next_random(&state) % 8 ? a_known_command(&state) : a_command(&state);
		uint64_t words[WORDS];
		int result;

		fill(words, &state);
		if (next_random(&state) % 2)
			make_likely(words, &state);
		result = ioctl(device, command, next_random(&state) % 32 ? words : NULL);
		__atomic_add_fetch(result < 0 ? &tally->bad : &tally->good, 1, __ATOMIC_RELAXED);
		if (next_random(&state) % 64 == 0)
			madvise(memory, PAGES * PAGE, MADV_DONTNEED);
		if (remaps && next_random(&state) % 16 == 0)
			remap();
	}
}

static void *throw_beside(void *argument)
{
	throw((uint64_t)argument, false);
}

/* Its IOVAs are the memory's addresses, so that what is likely for other devices is so for it. */
static int open_vfio(const char *group_and_name)
{
	char *name;
	long group = strtol(group_and_name, &name, 10);

	if (!vfio_open(&vfio, group, (uint64_t)memory))
		return -1;
	if (!vfio_map(&vfio, memory, PAGES * PAGE, true))
		return -1;
	return ioctl(vfio.group, VFIO_GROUP_GET_DEVICE_FD, name + 1);
}

static int open_device(const char *path)
{
	return strncmp(path, "vfio:", 5) ? open(path, O_RDWR) : open_vfio(path + 5);
}

static _Noreturn void be_killed(const char *path, uint64_t seed)
{
	pthread_t thread;

	memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memfd = memfd_create("fuzz", 0);
	device = open_device(path);
	if (memory == MAP_FAILED || device < 0 || ftruncate(memfd, PAGES * PAGE))
		_exit(1);
	for (uint64_t index = 1; index < THREADS; index++)
		pthread_create(&thread, NULL, throw_beside,
			       (void *)(seed + index * 0x9e3779b97f4a7c15ull));
	throw(seed, vfio.container >= 0);
}

/* Returns false when the process ended before it was killed. */
static int let_one_live(const char *path, uint64_t seed, unsigned int microseconds)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		be_killed(path, seed);
	usleep(microseconds);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

int main(int argc, char **argv)
{
	double end;
	uint64_t state;

	if (argc < 4) {
		fprintf(stderr, "usage: ioctl_fuzz SECONDS SEED DEVICE...\n");
		return 2;
	}
	tally = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tally == MAP_FAILED)
		return 1;
	end = seconds() + atof(argv[1]);
	state = strtoull(argv[2], NULL, 0) | 1;
	while (seconds() < end) {
		const char *path = argv[3 + next_random(&state) % (argc - 3)];

		if (!let_one_live(path, next_random(&state), next_random(&state) % LIFE + 2000)) {
			fprintf(stderr, "ioctl_fuzz: %s: a process ended by itself\n", path);
			return 1;
		}
	}
	printf("%lu succeeded, %lu failed\n", tally->good, tally->bad);
	return 0;
}
