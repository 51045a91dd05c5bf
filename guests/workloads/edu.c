/* SPDX-License-Identifier: Apache-2.0 */
#include "edu.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "answers.h"
#include "patience.h"

#define VENDOR_AND_DEVICE 0x11e81234u

/* Registers in BAR 0, and where the device's own buffer lies for DMA. */
#define DMA_FROM 0x80
#define DMA_TO 0x88
#define DMA_COUNT 0x90
#define DMA_COMMAND 0x98
#define DMA_START 1ull
#define DMA_TO_MEMORY 2ull
#define BUFFER_ADDRESS 0x40000ull

struct edu {
	int device;
	volatile char *registers;
	size_t size;
};

static bool find_region(const struct edu *edu, unsigned int index,
			struct vfio_region_info *region)
{
	*region = (struct vfio_region_info){.argsz = sizeof(*region), .index = index};
	return !ioctl(edu->device, VFIO_DEVICE_GET_REGION_INFO, region) ||
	       failed("VFIO_DEVICE_GET_REGION_INFO");
}

/* A device may use DMA once it is made a bus master. */
static bool enable(const struct edu *edu)
{
	const uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	struct vfio_region_info config;
	uint32_t identity = 0;

	if (!find_region(edu, VFIO_PCI_CONFIG_REGION_INDEX, &config))
		return false;
	if (pread(edu->device, &identity, sizeof(identity), config.offset) < 0)
		return failed("read the device's configuration");
	if (identity != VENDOR_AND_DEVICE)
		return failed_with("not an edu device", ENODEV);
	return pwrite(edu->device, &command, sizeof(command), config.offset + PCI_COMMAND) > 0 ||
	       failed("write the device's configuration");
}

static bool map_registers(struct edu *edu)
{
	struct vfio_region_info bar;
	void *address;

	if (!find_region(edu, VFIO_PCI_BAR0_REGION_INDEX, &bar))
		return false;
	address = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED, edu->device, bar.offset);
	if (address == MAP_FAILED)
		return failed("mmap BAR 0");
	edu->registers = address;
	edu->size = bar.size;
	return true;
}

struct edu *edu_open(int group, const char *name)
{
	struct edu *edu = calloc(1, sizeof(*edu));

	if (!edu) {
		failed("calloc");
		return NULL;
	}
	edu->device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name);
	if (edu->device < 0)
		failed("VFIO_GROUP_GET_DEVICE_FD");
	else if (enable(edu) && map_registers(edu))
		return edu;
	edu_close(edu);
	return NULL;
}

void edu_close(struct edu *edu)
{
	if (edu->registers)
		munmap((void *)edu->registers, edu->size);
	if (edu->device >= 0)
		close(edu->device);
	free(edu);
}

static void set(const struct edu *edu, unsigned int where, uint64_t value)
{
	*(volatile uint64_t *)(edu->registers + where) = value;
}

static bool transfer(const struct edu *edu, uint64_t from, uint64_t to, size_t bytes,
		     uint64_t direction)
{
	volatile uint64_t *command = (volatile uint64_t *)(edu->registers + DMA_COMMAND);
	double end = stopwatch() + PATIENCE;

	set(edu, DMA_FROM, from);
	set(edu, DMA_TO, to);
	set(edu, DMA_COUNT, bytes);
	*command = DMA_START | direction;
	while (*command & DMA_START) {
		if (stopwatch() > end)
			return failed_with("edu", ETIMEDOUT);
		usleep(1000);
	}
	return true;
}

bool edu_copy(struct edu *edu, uint64_t from, uint64_t to, size_t bytes)
{
	return transfer(edu, from, BUFFER_ADDRESS, bytes, 0) &&
	       transfer(edu, BUFFER_ADDRESS, to, bytes, DMA_TO_MEMORY);
}
