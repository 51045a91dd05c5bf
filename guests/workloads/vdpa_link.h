/* SPDX-License-Identifier: Apache-2.0 */
/* vDPA devices, made and unmade as `vdpa dev add` and `vdpa dev del` do, include/uapi/linux/vdpa.h. */
#ifndef VDPA_LINK_H
#define VDPA_LINK_H

#include <stdbool.h>

/* A device by `name` of the driver whose management device is `manager`; false after failed(). */
bool vdpa_add(const char *name, const char *manager);
void vdpa_delete(const char *name);

#endif
