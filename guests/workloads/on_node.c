/* SPDX-License-Identifier: Apache-2.0 */
/* on_node NODE COMMAND...: runs a command that has memory of one node only, the kernel's too. */
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NODES 1024

int main(int argc, char **argv)
{
	unsigned long mask[NODES / (8 * sizeof(unsigned long))] = {0};
	int node = argc > 2 ? atoi(argv[1]) : -1;

	if (node < 0 || node >= 64) {
		fprintf(stderr, "on_node: it takes a node and a command\n");
		return 2;
	}
	mask[0] = 1ul << node;
	if (syscall(SYS_set_mempolicy, MPOL_BIND, mask, NODES)) {
		perror("on_node: set_mempolicy");
		return 1;
	}
	execvp(argv[2], argv + 2);
	perror("on_node: execvp");
	return 127;
}
