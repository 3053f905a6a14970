// A process that ends must end: a vendor's library may hang in its destructors, where no JavaScript runs any more.
#pragma once

#include <napi.h>

namespace verdictd {

// endWithin(ms, code): the process ends with `code` (0 to 255) after `ms` milliseconds at the latest, by _exit: no destructor, no
// exit handler. The earliest call wins; there is no way back.
void end_within(const Napi::CallbackInfo& info);

}  // namespace verdictd
