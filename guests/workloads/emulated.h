/* SPDX-License-Identifier: Apache-2.0 */
/* The device of the module pin_vfio, once what is to be pinned is mapped for it. */
#ifndef HOLDER_EMULATED_H
#define HOLDER_EMULATED_H

#include <stdbool.h>

#include "pins.h"

/* Have the device's driver pin all that is asked for; `request->iova` is where it was mapped. */
bool emulated_pin(int device, const struct pin_request *request, struct pin_result *result);

/* Have it release that, and close it. */
void emulated_close(int device);

#endif
