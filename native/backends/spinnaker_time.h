// When a frame was exposed, on the host's monotonic clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "backends/spinnaker_clock.h"
#include "backends/spinnaker_nodes.h"

namespace verdictd::spin {

// By the camera's own time stamps, with its counter latched at start and every minute. A camera that has no latch has its frames timed
// by their arrival; one that has it and does not answer has frames of no known time, which must not be judged.
class FrameTime {
 public:
  // As the stream begins. Throws BackendError where there is a latch and it cannot be read.
  void begin(const NodeMap& device);
  // At each poll: latches when it is time to, or when the clock is not known.
  void keep(const NodeMap& device) noexcept;
  // End of exposure, ms, never after now; nothing while it is not known.
  std::optional<double> exposed(uint64_t camera_ns);

 private:
  using Clock = std::chrono::steady_clock;

  void latch(const NodeMap& device, int failures);

  CameraClock clock_;
  bool latches_ = false;
  bool suspect_ = false;  // a time stamp came that cannot be
  Clock::time_point last_;
};

}  // namespace verdictd::spin
