// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a kernel without CONFIG_ACPI_HOTPLUG_MEMORY lacks: memory devices of ACPI (PNP0C80) that come
 * become memory, and those that are asked back are removed. ACPI's core does the rest: it hears of
 * both, and has the blocks that are bound to a device offlined before it is detached.
 *
 * The core has an empty handler for such devices, which hides any that is added later; this one goes
 * before it. It stays until the kernel ends.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#include <linux/acpi.h>
#include <linux/kprobes.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/module.h>
#include <linux/slab.h>

/* Where the memory of a device lies. */
struct dimm {
	int node;
	u64 start;
	u64 size;
};

/* Functions of the kernel that it exports to no module, or only with a lock that ACPI's core holds. */
static struct {
	int (*add_handler)(struct acpi_scan_handler *handler);
	typeof(__add_memory) *add;
	typeof(__remove_memory) *remove;
	typeof(walk_memory_blocks) *walk_blocks;
} kernel;

static acpi_status take_range(struct acpi_resource *resource, void *into)
{
	struct acpi_resource_address64 address;
	struct dimm *dimm = into;

	if (ACPI_FAILURE(acpi_resource_to_address64(resource, &address)) ||
	    address.resource_type != ACPI_MEMORY_RANGE || !address.address.address_length)
		return AE_OK;
	if (dimm->size)
		return AE_SUPPORT;
	dimm->start = address.address.minimum;
	dimm->size = address.address.address_length;
	return AE_OK;
}

static int bind_block(struct memory_block *block, void *device)
{
	return acpi_bind_one(&block->dev, device);
}

static int unbind_block(struct memory_block *block, void *unused)
{
	return acpi_unbind_one(&block->dev);
}

static int add(struct acpi_device *device, struct dimm *dimm)
{
	int node = acpi_get_node(device->handle);
	int error;

	dimm->node = node == NUMA_NO_NODE ? 0 : node;
	error = kernel.add(dimm->node, dimm->start, dimm->size, MHP_NONE);
	if (error)
		return error;
	error = kernel.walk_blocks(dimm->start, dimm->size, device, bind_block);
	if (error)
		dev_err(&device->dev, "its memory blocks cannot be bound: %d\n", error);
	return 0;
}

/* Called by ACPI's core, which holds the lock of device hot-plug, as for `detach`. */
static int attach(struct acpi_device *device, const struct acpi_device_id *id)
{
	struct dimm *dimm = kzalloc(sizeof(*dimm), GFP_KERNEL);
	int error = -EINVAL;

	if (!dimm)
		return -ENOMEM;
	if (ACPI_SUCCESS(acpi_walk_resources(device->handle, METHOD_NAME__CRS, take_range, dimm)) &&
	    dimm->size)
		error = add(device, dimm);
	if (error) {
		dev_err(&device->dev, "its memory cannot be added: %d\n", error);
		kfree(dimm);
		return error;
	}
	device->driver_data = dimm;
	return 1;
}

static void remove(const struct dimm *dimm)
{
#ifdef HAVE_REMOVE_MEMORY_OF_NODE
	kernel.remove(dimm->node, dimm->start, dimm->size);
#else
	kernel.remove(dimm->start, dimm->size);
#endif
}

static void detach(struct acpi_device *device)
{
	struct dimm *dimm = acpi_driver_data(device);

	if (!dimm)
		return;
	kernel.walk_blocks(dimm->start, dimm->size, NULL, unbind_block);
	remove(dimm);
	device->driver_data = NULL;
	kfree(dimm);
}

static void *find(const char *name)
{
	struct kprobe probe = { .symbol_name = name };
	void *address;

	if (register_kprobe(&probe)) {
		pr_err("the kernel has no %s\n", name);
		return NULL;
	}
	address = probe.addr;
	unregister_kprobe(&probe);
	return address;
}

static bool find_all(void)
{
	kernel.add_handler = find("acpi_scan_add_handler");
	kernel.add = find("__add_memory");
	kernel.remove = find("__remove_memory");
	kernel.walk_blocks = find("walk_memory_blocks");
	return kernel.add_handler && kernel.add && kernel.remove && kernel.walk_blocks;
}

static const struct acpi_device_id memory_devices[] = { { "PNP0C80" }, {} };

static struct acpi_scan_handler handler = {
	.ids = memory_devices,
	.attach = attach,
	.detach = detach,
	.hotplug = { .enabled = true },
};

static bool handles_memory(const struct acpi_scan_handler *other)
{
	const struct acpi_device_id *id;

	for (id = other->attach ? other->ids : NULL; id && id->id[0]; id++)
		if (!strcmp((const char *)id->id, (const char *)memory_devices[0].id))
			return true;
	return false;
}

/* Puts ours before the core's empty one; what follows the last of a list is its head. */
static int take_over(void)
{
	struct list_head *head, *node;

	kernel.add_handler(&handler);
	head = handler.list_node.next;
	list_move(&handler.list_node, head);
	for (node = handler.list_node.next; node != head; node = node->next) {
		if (handles_memory(list_entry(node, struct acpi_scan_handler, list_node))) {
			list_del(&handler.list_node);
			return -EBUSY;
		}
	}
	return 0;
}

static int __init start(void)
{
	int error;

	if (!find_all())
		return -ENODEV;
	acpi_scan_lock_acquire();
	error = take_over();
	acpi_scan_lock_release();
	return error;
}
module_init(start);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Memory that comes and goes by ACPI, for kernels without a handler for it");
