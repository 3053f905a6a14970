// One exposure by hand.
#pragma once

#include <chrono>

#include "camera/backend.h"
#include "camera/inbox.h"
#include "camera/outbox.h"

namespace verdictd {

// Starts the camera (which must not stream), triggers it where it takes a software trigger, and copies the first good frame. The
// camera is stopped again. Throws BackendError: "timeout" with the last fault, "closed" once the inbox is finished, what start()
// throws.
Snapshot snap(Backend& backend, const Inbox& inbox, std::chrono::milliseconds timeout);

}  // namespace verdictd
