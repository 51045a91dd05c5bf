/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vhost-vdpa, with a simulated network device that sees physical addresses (vdpa_sim, use_va=0):
 * what is put into its IOTLB is pinned until it is taken out, or the device is closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/vhost.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "answers.h"
#include "patience.h"
#include "pins.h"
#include "vdpa_link.h"

#define MANAGER "vdpasim_net"

struct iotlb {
	char name[32]; /* of the device, or "" */
	int fd;
	const char *start;
};

static void unpin(void *pin)
{
	struct iotlb *iotlb = pin;

	if (iotlb->fd >= 0)
		close(iotlb->fd);
	if (*iotlb->name)
		vdpa_delete(iotlb->name);
	free(iotlb);
}

/* The driver's own file of the device, by its folder in sysfs. */
static bool open_file(struct iotlb *iotlb)
{
	char pattern[128], path[128];
	double end = stopwatch() + PATIENCE;
	glob_t found = {0};

	snprintf(pattern, sizeof(pattern), "/sys/bus/vdpa/devices/%s/vhost-vdpa-*", iotlb->name);
	while (glob(pattern, 0, NULL, &found) && stopwatch() < end)
		usleep(10000);
	if (!found.gl_pathc)
		return failed_with("vhost_vdpa does not take the device", ENODEV);
	snprintf(path, sizeof(path), "/dev%s", strrchr(found.gl_pathv[0], '/'));
	globfree(&found);
	iotlb->fd = open(path, O_RDWR | O_CLOEXEC);
	return iotlb->fd >= 0 || failed("open of a vhost-vdpa device");
}

static bool own(const struct iotlb *iotlb)
{
	const unsigned long long features = 1ull << VHOST_BACKEND_F_IOTLB_MSG_V2;

	if (ioctl(iotlb->fd, VHOST_SET_OWNER))
		return failed("VHOST_SET_OWNER");
	return !ioctl(iotlb->fd, VHOST_SET_BACKEND_FEATURES, &features) ||
	       failed("VHOST_SET_BACKEND_FEATURES");
}

static bool map_part(void *pin, const struct pin_request *request, char *address, size_t bytes)
{
	const struct iotlb *iotlb = pin;
	struct vhost_msg_v2 message = {
		.type = VHOST_IOTLB_MSG_V2,
		.iotlb = {
			.iova = address - iotlb->start,
			.size = bytes,
			.uaddr = (unsigned long)address,
			.perm = request->writable ? VHOST_ACCESS_RW : VHOST_ACCESS_RO,
			.type = VHOST_IOTLB_UPDATE,
		},
	};

	return write(iotlb->fd, &message, sizeof(message)) == sizeof(message) ||
	       failed("VHOST_IOTLB_UPDATE");
}

static bool make_device(struct iotlb *iotlb)
{
	static unsigned int number;

	snprintf(iotlb->name, sizeof(iotlb->name), "vdpa%d-%u", getpid(), number++);
	if (vdpa_add(iotlb->name, MANAGER))
		return true;
	*iotlb->name = 0;
	return false;
}

static void *pin(const struct pin_request *request, struct pin_result *result)
{
	struct iotlb *iotlb = calloc(1, sizeof(*iotlb));

	if (!iotlb) {
		failed("calloc");
		return NULL;
	}
	iotlb->fd = -1;
	iotlb->start = request->address;
	if (make_device(iotlb) && open_file(iotlb) && own(iotlb) &&
	    pin_parts(iotlb, request, 0, map_part, result))
		return iotlb;
	unpin(iotlb);
	return NULL;
}

const struct pin_path pin_vdpa = {.name = "vdpa", .pin = pin, .unpin = unpin};
