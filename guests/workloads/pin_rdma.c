/* SPDX-License-Identifier: Apache-2.0 */
/* Memory regions: ibv_reg_mr pins the range for as long as the region lives. */
#include <errno.h>
#include <infiniband/verbs.h>
#include <stdlib.h>
#include <string.h>

#include "answers.h"
#include "pins.h"
#include "rdma_loop.h"

struct regions {
	struct ibv_context *device;
	struct ibv_pd *domain;
	struct rdma_loop *loop; /* made for the first transfer, or to bind the window */
	struct ibv_mw *window;	/* of the only region, or NULL */
	char *start;
	size_t count;
	struct ibv_mr *region[];
};

static struct ibv_context *open_device(const char *name)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_context *device = NULL;

	errno = ENODEV;
	for (struct ibv_device **entry = list; entry && *entry; entry++)
		if (!strcmp(ibv_get_device_name(*entry), name))
			device = ibv_open_device(*entry);
	if (list)
		ibv_free_device_list(list);
	return device;
}

static int access_flags(const struct pin_request *request)
{
	int flags = IBV_ACCESS_REMOTE_READ;

	if (request->writable)
		flags |= IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE;
	if (request->on_demand)
		flags |= IBV_ACCESS_ON_DEMAND;
	if (request->window)
		flags |= IBV_ACCESS_MW_BIND;
	return flags;
}

static bool register_part(void *pin, const struct pin_request *request, char *address, size_t bytes)
{
	struct regions *regions = pin;
	struct ibv_mr *region =
		ibv_reg_mr(regions->domain, address, bytes, access_flags(request));

	if (!region)
		return failed("ibv_reg_mr");
	regions->region[regions->count++] = region;
	return true;
}

static void unpin(void *pin)
{
	struct regions *regions = pin;

	if (regions->window)
		ibv_dealloc_mw(regions->window);
	if (regions->loop)
		rdma_loop_close(regions->loop);
	while (regions->count)
		ibv_dereg_mr(regions->region[--regions->count]);
	if (regions->domain)
		ibv_dealloc_pd(regions->domain);
	if (regions->device)
		ibv_close_device(regions->device);
	free(regions);
}

static bool open_domain(struct regions *regions, const char *name)
{
	regions->device = open_device(name);
	if (!regions->device)
		return failed("ibv_open_device");
	regions->domain = ibv_alloc_pd(regions->device);
	return regions->domain || failed("ibv_alloc_pd");
}

/* Up to 6.14 rxe has none of it; 5.10 would take the region and pin it all the same. */
static bool check_on_demand(const struct regions *regions, const struct pin_request *request)
{
	struct ibv_device_attr_ex attributes;

	if (!request->on_demand)
		return true;
	if (ibv_query_device_ex(regions->device, NULL, &attributes))
		return failed("ibv_query_device_ex");
	return (attributes.odp_caps.general_caps & IBV_ODP_SUPPORT) ||
	       failed_with("IBV_ODP_SUPPORT", EOPNOTSUPP);
}

static bool open_loop(struct regions *regions)
{
	if (!regions->loop)
		regions->loop = rdma_loop_open(regions->device, regions->domain);
	return regions->loop;
}

static bool make_window(struct regions *regions, const struct pin_request *request)
{
	if (!request->window)
		return true;
	if (regions->count != 1)
		return failed_with("a window shows one region", EINVAL);
	regions->window = ibv_alloc_mw(regions->domain, IBV_MW_TYPE_1);
	if (!regions->window)
		return failed("ibv_alloc_mw");
	return open_loop(regions) && rdma_loop_bind(regions->loop, regions->window,
						    regions->region[0], request->writable);
}

static void *pin(const struct pin_request *request, struct pin_result *result)
{
	size_t most = pin_part_count(request, 0);
	struct regions *regions = calloc(1, sizeof(*regions) + most * sizeof(struct ibv_mr *));

	if (!regions) {
		failed("calloc");
		return NULL;
	}
	regions->start = request->address;
	if (open_domain(regions, pin_device(request, "rxe0")) &&
	    check_on_demand(regions, request) &&
	    pin_parts(regions, request, 0, register_part, result) &&
	    make_window(regions, request))
		return regions;
	unpin(regions);
	return NULL;
}

static const struct ibv_mr *region_of(const struct regions *regions, const char *address)
{
	for (size_t index = 0; index < regions->count; index++) {
		const struct ibv_mr *region = regions->region[index];

		if (address >= (char *)region->addr && address < (char *)region->addr + region->length)
			return region;
	}
	return NULL;
}

static bool transfer(void *pin, size_t offset, void *bytes, size_t length,
		     enum dma_direction direction)
{
	struct regions *regions = pin;

	if (!open_loop(regions))
		return false;
	for (size_t done = 0, part; done < length; done += part) {
		const char *address = regions->start + offset + done;
		const struct ibv_mr *region = region_of(regions, address);
		uint32_t key = regions->window ? regions->window->rkey : region->rkey;

		part = (char *)region->addr + region->length - address;
		if (part > length - done)
			part = length - done;
		if (!rdma_loop_move(regions->loop, key, address, (char *)bytes + done, part,
				    direction)) {
			/* A queue pair with an error behind it is of no more use. */
			rdma_loop_close(regions->loop);
			regions->loop = NULL;
			return false;
		}
	}
	return true;
}

/* A pair of an iWARP device (siw) is connected by TCP, which takes more than is done here. */
static size_t places(void *pin)
{
	const struct regions *regions = pin;
	bool connects = regions->device->device->transport_type != IBV_TRANSPORT_IWARP;

	return connects ? pin_many_places(pin) : 0;
}

const struct pin_path pin_rdma = {
	.name = "rdma", .pin = pin, .unpin = unpin, .transfer = transfer, .places = places};
