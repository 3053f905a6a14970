#pragma once

#include <chrono>

namespace verdictd {

// Milliseconds of std::chrono::steady_clock, the scale of src/clock.ts.
inline double monotonic_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace verdictd
