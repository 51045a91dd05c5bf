// SPDX-License-Identifier: GPL-2.0-only
/* /dev/pin_rdma; pin_rdma.h says how to ask. */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <rdma/ib_verbs.h>

#include "range.h"

/* An on-demand region pins nothing, and needs a driver behind it. */
#define KNOWN_ACCESS                                                                            \
	(IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE | IB_ACCESS_REMOTE_READ |                \
	 IB_ACCESS_REMOTE_ATOMIC)

static int device_open(struct inode *inode, struct file *file)
{
	struct pinned_range *range = kzalloc(sizeof(*range), GFP_KERNEL);

	if (!range)
		return -ENOMEM;
	file->private_data = range;
	return 0;
}

static int device_release(struct inode *inode, struct file *file)
{
	range_release(file->private_data);
	kfree(file->private_data);
	return 0;
}

static long ask_pin(struct pinned_range *range, void __user *argument)
{
	struct pin_rdma_pin request;
	int error;

	if (copy_from_user(&request, argument, sizeof(request)))
		return -EFAULT;
	if (!request.length || request.padding || request.access & ~KNOWN_ACCESS)
		return -EINVAL;
	if (strnlen(request.device, sizeof(request.device)) == sizeof(request.device))
		return -EINVAL;
	error = range_pin(range, &request);
	if (error)
		return error;
	if (!copy_to_user(argument, &request, sizeof(request)))
		return 0;
	range_release(range);
	return -EFAULT;
}

static long ask_read(struct pinned_range *range, void __user *argument)
{
	struct pin_rdma_read request;
	int error;

	if (copy_from_user(&request, argument, sizeof(request)))
		return -EFAULT;
	error = range_read(range, &request);
	if (error)
		return error;
	return copy_to_user(argument, &request, sizeof(request)) ? -EFAULT : 0;
}

static long device_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	void __user *pointer = (void __user *)argument;

	switch (command) {
	case PIN_RDMA_GET_VERSION:
		return put_user(PIN_RDMA_VERSION, (__u32 __user *)pointer);
	case PIN_RDMA_DO_PIN:
		return ask_pin(file->private_data, pointer);
	case PIN_RDMA_DO_RELEASE:
		return range_release(file->private_data);
	case PIN_RDMA_DO_READ:
		return ask_read(file->private_data, pointer);
	}
	return -ENOTTY;
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "pin_rdma",
	.fops = &operations,
	.mode = 0600,
};

static int __init pin_rdma_init(void)
{
	int error = client_register();

	if (error)
		return error;
	error = misc_register(&device);
	if (error)
		client_unregister();
	return error;
}

static void __exit pin_rdma_exit(void)
{
	misc_deregister(&device);
	client_unregister();
}

module_init(pin_rdma_init);
module_exit(pin_rdma_exit);

MODULE_DESCRIPTION("Pins user memory for an RDMA device, as its driver does");
MODULE_LICENSE("GPL");
