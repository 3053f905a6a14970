#include "camera/report.h"

#include <utility>

#include "camera/monotonic.h"

namespace verdictd {

ThreadHealth Report::health() const {
  const std::lock_guard lock(mutex_);
  return health_;
}

void Report::frame(FrameEvent event) {
  {
    const std::lock_guard lock(mutex_);
    health_.frames++;
    health_.alive = event.ready;
  }
  post(std::move(event));
}

void Report::fault(const RawFault& fault) { this->fault(fault, monotonic_ms()); }

void Report::fault(const RawFault& fault, double at) {
  count(fault.cause, 1);
  post(FaultEvent{fault.cause, fault.detail, at, fault.tag});
}

void Report::count(const std::string& cause, uint64_t n) {
  if (n == 0) return;
  const std::lock_guard lock(mutex_);
  health_.faults[cause] += n;
}

void Report::polled(BackendHealth now) {
  const std::lock_guard lock(mutex_);
  health_.connected = now.connected;
  health_.temperature = now.temperature;
  if (!now.connected) return;
  health_.alive = monotonic_ms();
  health_.values = std::move(now.values);
}

void Report::disconnected() {
  const std::lock_guard lock(mutex_);
  health_.connected = false;
}

}  // namespace verdictd
