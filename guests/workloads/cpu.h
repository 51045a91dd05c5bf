/* SPDX-License-Identifier: Apache-2.0 */
/* Which CPU this process runs on. */
#ifndef CPU_H
#define CPU_H

#include <stdbool.h>

/* From now on, there only. */
bool run_on_cpu(unsigned long long cpu);

#endif
