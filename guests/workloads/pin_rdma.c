/* SPDX-License-Identifier: Apache-2.0 */
/* Memory regions: ibv_reg_mr pins the range for as long as the region lives. */
#include <errno.h>
#include <infiniband/verbs.h>
#include <stdlib.h>
#include <string.h>

#include "answers.h"
#include "pins.h"

struct regions {
	struct ibv_context *device;
	struct ibv_pd *domain;
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

static void *pin(const struct pin_request *request, struct pin_result *result)
{
	size_t most = pin_part_count(request, 0);
	struct regions *regions = calloc(1, sizeof(*regions) + most * sizeof(struct ibv_mr *));

	if (!regions) {
		failed("calloc");
		return NULL;
	}
	if (open_domain(regions, pin_device(request, "rxe0")) &&
	    pin_parts(regions, request, 0, register_part, result))
		return regions;
	unpin(regions);
	return NULL;
}

const struct pin_path pin_rdma = {"rdma", pin, unpin, NULL};
