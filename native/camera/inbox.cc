#include "camera/inbox.h"

namespace verdictd {

bool Inbox::post(uint64_t request, Command command) {
  {
    const std::lock_guard lock(mutex_);
    if (finished_) return false;
    items_.emplace_back(request, std::move(command));
  }
  changed_.notify_one();
  return true;
}

void Inbox::finish() {
  {
    const std::lock_guard lock(mutex_);
    finished_ = true;
  }
  changed_.notify_one();
}

bool Inbox::finished() const {
  const std::lock_guard lock(mutex_);
  return finished_;
}

std::optional<Inbox::Item> Inbox::take() {
  const std::lock_guard lock(mutex_);
  if (finished_ || items_.empty()) return std::nullopt;
  Item next = std::move(items_.front());
  items_.pop_front();
  return next;
}

std::deque<Inbox::Item> Inbox::rest() {
  const std::lock_guard lock(mutex_);
  return std::exchange(items_, {});
}

void Inbox::wait(std::chrono::milliseconds most) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, most, [this] { return finished_ || !items_.empty(); });
}

}  // namespace verdictd
