#include "backends/spinnaker_time.h"

#include <algorithm>
#include <array>
#include <string>

#include "camera/backend.h"
#include "camera/feature_value.h"
#include "camera/monotonic.h"

namespace verdictd::spin {
namespace {

using std::chrono::seconds;

// How often the camera's clock is compared with ours.
constexpr seconds kLatchEvery(60);
// The best of so many is taken, as a latch may be held up on either side.
constexpr int kTries = 3;
// A time stamp this far ahead of its own arrival shows a camera clock that jumped, ms.
constexpr double kAhead = 5;

}  // namespace

void FrameTime::begin(const NodeMap& device) {
  clock_.forget();
  latches_ = true;
  try {
    latch(device, kTries);
  } catch (const BackendError& error) {
    if (error.cause != "missing" && error.cause != "unavailable") throw;
    latches_ = false;
  }
}

void FrameTime::keep(const NodeMap& device) noexcept {
  if (!latches_ || (clock_.known() && !suspect_ && Clock::now() - last_ < kLatchEvery)) return;
  if (suspect_) clock_.forget();
  try {
    // Once: a command that the camera does not finish takes its time, and triggers wait.
    latch(device, 1);
  } catch (const BackendError&) {
    // Unknown stays unknown until the next poll; a clock that is known is good for minutes.
  }
}

// Throws the last failure where nothing was read; `failures`: how many end it.
void FrameTime::latch(const NodeMap& device, int failures) {
  last_ = Clock::now();
  suspect_ = false;
  struct Reading {
    uint64_t camera;
    double before, after;
  };
  std::optional<Reading> best;
  std::optional<BackendError> failure;
  for (int i = 0; i < kTries && failures > 0; i++) {
    try {
      const double before = monotonic_ms();
      device.execute("TimestampLatch");
      const double after = monotonic_ms();
      const int64_t value = whole_in(device.get("TimestampLatchValue").value, "TimestampLatchValue");
      if (value < 0) throw BackendError("transient", "TimestampLatchValue was read as " + std::to_string(value));
      if (!best || after - before < best->after - best->before) best = {static_cast<uint64_t>(value), before, after};
    } catch (const BackendError& error) {
      failure = error;
      failures--;
    }
  }
  if (!best) throw *failure;
  clock_.anchor(best->camera, best->before, best->after);
}

std::optional<double> FrameTime::exposed(uint64_t camera_ns) {
  const double now = monotonic_ms();
  if (!latches_) return now;
  if (!clock_.known() || camera_ns == 0) return std::nullopt;
  const double at = clock_.host(camera_ns);
  if (at > now + kAhead) suspect_ = true;
  return std::min(at, now);
}

}  // namespace verdictd::spin
