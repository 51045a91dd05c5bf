/* SPDX-License-Identifier: Apache-2.0 */
/*
 * V4L2 buffers of the user's memory: pinned from VIDIOC_PREPARE_BUF, which is the first half of
 * queueing one, until the queue is given up.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "answers.h"
#include "pins.h"

struct queue {
	int fd;
	unsigned int count;
};

static struct v4l2_requestbuffers ask_for(unsigned int count)
{
	return (struct v4l2_requestbuffers){.count = count,
					    .type = V4L2_BUF_TYPE_VIDEO_OUTPUT,
					    .memory = V4L2_MEMORY_USERPTR};
}

static void unpin(void *pin)
{
	struct queue *queue = pin;
	struct v4l2_requestbuffers none = ask_for(0);

	if (queue->fd >= 0) {
		ioctl(queue->fd, VIDIOC_REQBUFS, &none);
		close(queue->fd);
	}
	free(queue);
}

/* Pictures as small as the device makes them: a buffer has to hold one. */
static bool choose_format(const struct queue *queue)
{
	struct v4l2_format format = {.type = V4L2_BUF_TYPE_VIDEO_OUTPUT};

	if (ioctl(queue->fd, VIDIOC_G_FMT, &format))
		return failed("VIDIOC_G_FMT");
	format.fmt.pix.width = format.fmt.pix.height = 16;
	format.fmt.pix.bytesperline = format.fmt.pix.sizeimage = 0;
	return !ioctl(queue->fd, VIDIOC_S_FMT, &format) || failed("VIDIOC_S_FMT");
}

static bool open_queue(struct queue *queue, const char *device, size_t count)
{
	struct v4l2_requestbuffers wanted = ask_for(count);

	queue->fd = open(device, O_RDWR | O_CLOEXEC);
	if (queue->fd < 0)
		return failed("open of a video device");
	if (!choose_format(queue))
		return false;
	if (ioctl(queue->fd, VIDIOC_REQBUFS, &wanted))
		return failed("VIDIOC_REQBUFS");
	return wanted.count >= count || failed_with("VIDIOC_REQBUFS gives fewer", ENOBUFS);
}

static bool prepare_part(void *pin, const struct pin_request *request, char *address, size_t bytes)
{
	struct queue *queue = pin;
	struct v4l2_buffer buffer = {
		.index = queue->count,
		.type = V4L2_BUF_TYPE_VIDEO_OUTPUT,
		.memory = V4L2_MEMORY_USERPTR,
		.field = V4L2_FIELD_NONE,
		.m.userptr = (unsigned long)address,
		.length = bytes,
		.bytesused = bytes,
	};

	(void)request;
	if (ioctl(queue->fd, VIDIOC_PREPARE_BUF, &buffer))
		return failed("VIDIOC_PREPARE_BUF");
	queue->count++;
	return true;
}

static void *pin(const struct pin_request *request, struct pin_result *result)
{
	struct queue *queue = calloc(1, sizeof(*queue));

	if (!queue) {
		failed("calloc");
		return NULL;
	}
	queue->fd = -1;
	if (open_queue(queue, pin_device(request, "/dev/video0"), pin_part_count(request, 0)) &&
	    pin_parts(queue, request, 0, prepare_part, result))
		return queue;
	unpin(queue);
	return NULL;
}

const struct pin_path pin_v4l2 = {.name = "v4l2", .pin = pin, .unpin = unpin};
