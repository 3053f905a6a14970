// From a buffer of the library to a frame or a fault.
#pragma once

#include "backends/aravis_api.h"
#include "backends/frame_numbers.h"
#include "camera/backend.h"

namespace verdictd::arv {

// Every number of the buffer is checked before its memory is touched. A RawFrame's handle is the buffer; of a fault it is the caller's
// again. `chunks`: parser of chunk data, or null.
Taken frame_of(const Api& api, Handle buffer, FrameNumbers& numbers, Handle chunks);

}  // namespace verdictd::arv
