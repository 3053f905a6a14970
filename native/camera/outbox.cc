#include "camera/outbox.h"

#include <utility>

namespace verdictd {

void Outbox::post(Event event) {
  const std::lock_guard lock(mutex_);
  if (std::holds_alternative<FaultEvent>(event)) {
    // A fault with a tag answers a picture that JavaScript pushed and waits for: those are bounded already.
    if (std::get<FaultEvent>(event).tag == 0 && faults_ >= kMaxFaults) {
      dropped_++;
      return;
    }
    faults_++;
  }
  events_.push_back(std::move(event));
  // Under the lock, so that nobody signals once quiet() has returned.
  if (signal_) signal_();
}

std::deque<Event> Outbox::drain() {
  const std::lock_guard lock(mutex_);
  faults_ = 0;
  return std::exchange(events_, {});
}

void Outbox::listen(std::function<void()> signal) {
  const std::lock_guard lock(mutex_);
  signal_ = std::move(signal);
}

void Outbox::quiet() {
  const std::lock_guard lock(mutex_);
  signal_ = nullptr;
}

uint64_t Outbox::dropped_faults() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

}  // namespace verdictd
