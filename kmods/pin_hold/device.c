// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/pin_hold: pins a range of the caller's memory as drivers do and holds it. pin_hold.h says
 * how to ask.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "pins.h"

#define KNOWN_FLAGS                                                                               \
	(PIN_HOLD_WRITE | PIN_HOLD_LONGTERM | PIN_HOLD_DETACHED | PIN_HOLD_CLEAN)
#define MEMFD_FLAGS (PIN_HOLD_WRITE | PIN_HOLD_LONGTERM)

static struct pin_list detached;

static int device_open(struct inode *inode, struct file *file)
{
	struct pin_list *list = kzalloc(sizeof(*list), GFP_KERNEL);

	if (!list)
		return -ENOMEM;
	pin_list_init(list);
	file->private_data = list;
	return 0;
}

static int device_release(struct inode *inode, struct file *file)
{
	struct pin_list *list = file->private_data;

	pin_list_empty(list);
	kfree(list);
	return 0;
}

static bool is_known_entry(const struct pin_hold_pin *request)
{
	return request->entry < 32 && (pin_entries() & (1u << request->entry));
}

/* memfd_pin_folios knows one kind of pin, and takes the whole range. */
static bool fits_entry(const struct pin_hold_pin *request)
{
	if (request->entry == PIN_HOLD_REMOTE)
		return request->pid >= 0;
	if (request->entry != PIN_HOLD_MEMFD)
		return request->fd == 0;
	return (request->flags & MEMFD_FLAGS) == MEMFD_FLAGS && !request->batch;
}

static int check_pin(const struct pin_hold_pin *request)
{
	if (request->flags & ~KNOWN_FLAGS || request->handle || request->calls ||
	    request->nanoseconds)
		return -EINVAL;
	if (!is_known_entry(request))
		return -EOPNOTSUPP;
	if (!fits_entry(request))
		return -EINVAL;
	if (!request->length || !PAGE_ALIGNED(request->address) || !PAGE_ALIGNED(request->length))
		return -EINVAL;
	if (request->address + request->length < request->address)
		return -EINVAL;
	if (request->entry == PIN_HOLD_MEMFD && request->address + request->length > LLONG_MAX)
		return -EINVAL;
	/* More than there is can't be pinned; the array of pages is not to be the limit. */
	return request->length >> PAGE_SHIFT > totalram_pages() ? -ENOMEM : 0;
}

static unsigned int gup_flags(const struct pin_hold_pin *request)
{
	return (request->flags & PIN_HOLD_WRITE ? FOLL_WRITE : 0) |
	       (request->flags & PIN_HOLD_LONGTERM ? FOLL_LONGTERM : 0);
}

static struct pin *make_pin(struct pin_hold_pin *request)
{
	struct pin *pin = pin_alloc(request->length >> PAGE_SHIFT);
	int error;

	if (!pin)
		return ERR_PTR(-ENOMEM);
	pin->entry = request->entry;
	pin->gup_flags = gup_flags(request);
	pin->clean = request->flags & PIN_HOLD_CLEAN;
	error = pin_take(pin, request);
	if (!error)
		return pin;
	pin_free(pin);
	return ERR_PTR(error);
}

static long ask_pin(struct pin_list *list, void __user *argument)
{
	struct pin_hold_pin request;
	struct pin *pin;
	int error;

	if (copy_from_user(&request, argument, sizeof(request)))
		return -EFAULT;
	error = check_pin(&request);
	if (error)
		return error;
	pin = make_pin(&request);
	if (IS_ERR(pin))
		return PTR_ERR(pin);
	if (request.flags & PIN_HOLD_DETACHED)
		list = &detached;
	pin_list_add(list, pin);
	request.handle = pin->handle;
	if (!copy_to_user(argument, &request, sizeof(request)))
		return 0;
	pin_list_release(list, request.handle);
	return -EFAULT;
}

static long ask_pages(struct pin_list *list, void __user *argument)
{
	struct pin_hold_pages request;
	int error;

	if (copy_from_user(&request, argument, sizeof(request)))
		return -EFAULT;
	if (request.padding)
		return -EINVAL;
	error = pin_list_report(list, &request);
	if (error == -ENOENT)
		error = pin_list_report(&detached, &request);
	if (error)
		return error;
	return copy_to_user(argument, &request, sizeof(request)) ? -EFAULT : 0;
}

static long ask_release(struct pin_list *list, void __user *argument)
{
	struct pin_hold_release request;
	int error;

	if (copy_from_user(&request, argument, sizeof(request)))
		return -EFAULT;
	if (request.padding)
		return -EINVAL;
	error = pin_list_release(list, request.handle);
	return error == -ENOENT ? pin_list_release(&detached, request.handle) : error;
}

static bool stays_in_a_page(const struct pin_hold_move *request)
{
	return request->length && request->length <= PAGE_SIZE - offset_in_page(request->offset);
}

static long ask_move(struct pin_list *list, void __user *argument)
{
	struct pin_hold_move request;

	if (copy_from_user(&request, argument, sizeof(request)))
		return -EFAULT;
	if (request.to_memory > 1 || !stays_in_a_page(&request))
		return -EINVAL;
	return pin_list_move(list, &request);
}

static long ask_about(void __user *argument)
{
	const struct pin_hold_about about = {.version = PIN_HOLD_VERSION, .entries = pin_entries()};

	return copy_to_user(argument, &about, sizeof(about)) ? -EFAULT : 0;
}

static long device_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	void __user *pointer = (void __user *)argument;

	switch (command) {
	case PIN_HOLD_GET_ABOUT:
		return ask_about(pointer);
	case PIN_HOLD_DO_PIN:
		return ask_pin(file->private_data, pointer);
	case PIN_HOLD_GET_PAGES:
		return ask_pages(file->private_data, pointer);
	case PIN_HOLD_DO_RELEASE:
		return ask_release(file->private_data, pointer);
	case PIN_HOLD_DO_MOVE:
		return ask_move(file->private_data, pointer);
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
	.name = "pin_hold",
	.fops = &operations,
	.mode = 0600,
};

static int __init pin_hold_init(void)
{
	pin_list_init(&detached);
	return misc_register(&device);
}

static void __exit pin_hold_exit(void)
{
	misc_deregister(&device);
	pin_list_empty(&detached);
}

module_init(pin_hold_init);
module_exit(pin_hold_exit);

MODULE_DESCRIPTION("Pins user memory and holds it, to see what hot-remove does then");
MODULE_LICENSE("GPL");
