/* SPDX-License-Identifier: Apache-2.0 */
/* vfio type1: VFIO_IOMMU_MAP_DMA pins the range at once, whether or not a device uses it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "answers.h"
#include "edu.h"
#include "memory.h"
#include "pins.h"
#include "vfio.h"

struct mapping {
	struct vfio vfio;
	size_t bytes;	/* of the range; a page for transfers may be mapped behind it */
	char *staging;	/* that page, or NULL */
	struct edu *edu; /* the device for transfers, or NULL */
	char name[32];	/* its name, or "" */
};

static void unpin(void *pin)
{
	struct mapping *mapping = pin;

	if (mapping->edu)
		edu_close(mapping->edu);
	vfio_unmap(&mapping->vfio);
	vfio_close(&mapping->vfio);
	if (mapping->staging)
		munmap(mapping->staging, SMALL_PAGE);
	free(mapping);
}

static bool map_part(void *pin, const struct pin_request *request, char *address, size_t bytes)
{
	struct mapping *mapping = pin;

	return vfio_map(&mapping->vfio, address, bytes, request->writable);
}

static void *pin(const struct pin_request *request, struct pin_result *result)
{
	struct mapping *mapping = calloc(1, sizeof(*mapping));

	if (!mapping) {
		failed("calloc");
		return NULL;
	}
	mapping->bytes = request->bytes;
	strncpy(mapping->name, pin_device(request, ""), sizeof(mapping->name) - 1);
	if (vfio_open(&mapping->vfio, request->group, request->iova) &&
	    pin_parts(mapping, request, 0, map_part, result))
		return mapping;
	unpin(mapping);
	return NULL;
}

static bool map_staging(struct mapping *mapping)
{
	char *page = mmap(NULL, SMALL_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0);

	if (page == MAP_FAILED)
		return failed("mmap");
	mapping->staging = page;
	return vfio_map(&mapping->vfio, page, SMALL_PAGE, true);
}

static bool prepare(struct mapping *mapping)
{
	if (!*mapping->name)
		return failed_with("transfers need device= when pinning", EINVAL);
	if (!mapping->staging && !map_staging(mapping))
		return false;
	if (!mapping->edu)
		mapping->edu = edu_open(mapping->vfio.group, mapping->name);
	return mapping->edu != NULL;
}

static bool transfer_part(struct mapping *mapping, size_t offset, char *bytes, size_t length,
			  enum dma_direction direction)
{
	uint64_t target = mapping->vfio.iova + offset;
	uint64_t staging = mapping->vfio.iova + mapping->bytes;

	if (direction == TO_MEMORY) {
		memcpy(mapping->staging, bytes, length);
		return edu_copy(mapping->edu, staging, target, length);
	}
	if (!edu_copy(mapping->edu, target, staging, length))
		return false;
	memcpy(bytes, mapping->staging, length);
	return true;
}

static bool transfer(void *pin, size_t offset, void *bytes, size_t length,
		     enum dma_direction direction)
{
	struct mapping *mapping = pin;

	if (!prepare(mapping))
		return false;
	for (size_t done = 0, part; done < length; done += part) {
		part = length - done < EDU_BUFFER ? length - done : EDU_BUFFER;
		if (!transfer_part(mapping, offset + done, (char *)bytes + done, part, direction))
			return false;
	}
	return true;
}

/* The edu device takes 0.2 s for each; other endpoints are not made to do anything. */
static size_t places(void *pin)
{
	const struct mapping *mapping = pin;

	return *mapping->name ? 1 : 0;
}

const struct pin_path pin_vfio = {
	.name = "vfio", .pin = pin, .unpin = unpin, .transfer = transfer, .places = places};
