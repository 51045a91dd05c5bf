/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu.h"

#include <errno.h>
#include <sched.h>

#include "answers.h"

bool run_on_cpu(unsigned long long cpu)
{
	cpu_set_t only;

	if (cpu >= CPU_SETSIZE)
		return failed_with("sched_setaffinity", EINVAL);
	CPU_ZERO(&only);
	CPU_SET(cpu, &only);
	return !sched_setaffinity(0, sizeof(only), &only) || failed("sched_setaffinity");
}
