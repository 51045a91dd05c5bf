/* SPDX-License-Identifier: Apache-2.0 */
/* Two network devices: what one sends the other receives. */
#ifndef VETH_H
#define VETH_H

#include <net/if.h>
#include <stdbool.h>

struct veth {
	char names[2][IFNAMSIZ]; /* empty where there are none */
};

/* Make two, of names of their own, and bring them up; veth_delete() in either case. */
bool veth_add(struct veth *veth);
void veth_delete(struct veth *veth);

#endif
