/* SPDX-License-Identifier: Apache-2.0 */
/* What the host asks for: lines, some with bytes behind them. */
#ifndef REQUESTS_H
#define REQUESTS_H

#include <stdbool.h>
#include <stddef.h>

/* Take bytes as they came from the port and carry out every request that is complete. */
void requests_take(const char *bytes, size_t length);

/* The host end closed: forget a request that has not arrived in full. */
void requests_reset(void);

#endif
