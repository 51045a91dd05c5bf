// SPDX-License-Identifier: GPL-2.0-only
#include <linux/init.h>
#include <linux/module.h>

#include "interfaces.h"

static int __init pin_vfio_init(void)
{
	int error = emulated_init();

	return error ? error : mediated_init();
}

static void __exit pin_vfio_exit(void)
{
	emulated_exit();
	mediated_exit();
}

module_init(pin_vfio_init);
module_exit(pin_vfio_exit);

MODULE_DESCRIPTION("A vfio device without hardware, which pins what its user maps");
MODULE_LICENSE("GPL");
