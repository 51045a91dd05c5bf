/* SPDX-License-Identifier: Apache-2.0 */
#include "ticks.h"

#if defined(__x86_64__)
unsigned long long processor_ticks(void)
{
	return __builtin_ia32_rdtsc();
}
#elif defined(__aarch64__)
/* The counter is read behind what comes before it, as rdtsc is in effect under icount. */
unsigned long long processor_ticks(void)
{
	unsigned long long count, frequency;

	asm volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(count) : : "memory");
	asm volatile("mrs %0, cntfrq_el0" : "=r"(frequency));
	return (unsigned long long)((unsigned __int128)count * 1000000000 / frequency);
}
#else
#error "which register counts time?"
#endif
