/* SPDX-License-Identifier: Apache-2.0 */
#include "hmm.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "answers.h"
#include "memory.h"

/* lib/test_hmm_uapi.h, from 5.18 on; no package of headers has it. */
struct command {
	uint64_t address, copy, pages, done, faults;
};

#define MIGRATE_TO_DEVICE _IOWR('H', 0x02, struct command)
#define MAKE_EXCLUSIVE _IOWR('H', 0x05, struct command)

/* Open for as long as the process lives: the device forgets what it has once it is closed. */
static int open_device(void)
{
	static int device = -1;

	if (device < 0)
		device = open("/dev/hmm_dmirror0", O_RDWR | O_CLOEXEC);
	return device;
}

/* The device reads each page once, to where nobody looks. */
static bool ask(unsigned long request, const char *call, char *address, size_t bytes)
{
	int device = open_device();
	char *copy = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct command command = {.address = (uintptr_t)address,
				  .copy = (uintptr_t)copy,
				  .pages = bytes / SMALL_PAGE};
	bool good;

	if (copy == MAP_FAILED)
		return failed("mmap");
	good = device >= 0 ? !ioctl(device, request, &command) || failed(call)
			   : failed("open /dev/hmm_dmirror0");
	munmap(copy, bytes);
	return good;
}

bool hmm_move_to_device(char *address, size_t bytes)
{
	return ask(MIGRATE_TO_DEVICE, "HMM_DMIRROR_MIGRATE_TO_DEV", address, bytes);
}

bool hmm_make_exclusive(char *address, size_t bytes)
{
	return ask(MAKE_EXCLUSIVE, "HMM_DMIRROR_EXCLUSIVE", address, bytes);
}
