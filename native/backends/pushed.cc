#include "backends/pushed.h"

#include <utility>

#include "frame/packed.h"

namespace verdictd {
namespace {

[[noreturn]] void no_feature(const std::string& name) {
  throw BackendError("refused", "pictures from memory have no camera feature " + name);
}

}  // namespace

PushedBackend::Pushed PushedBackend::push(RawFrame frame) {
  std::vector<uint8_t> memory;
  {
    const std::lock_guard lock(mutex_);
    if (pictures_.count(frame.tag) > 0) return Pushed::tag_in_use;
    if (full()) return Pushed::full;
    memory = std::exchange(spare_, {});
  }
  // Without the lock: the camera thread must not wait for a picture to be copied.
  memory = packed(frame.image, std::move(memory));
  frame.image = view_of(frame.image, memory);
  {
    const std::lock_guard lock(mutex_);
    if (pictures_.count(frame.tag) > 0) return Pushed::tag_in_use;
    if (full()) return Pushed::full;
    pictures_.emplace(frame.tag, std::move(memory));
    queue_.emplace_back(frame);
  }
  changed_.notify_one();
  return Pushed::yes;
}

bool PushedBackend::queue(Taken item) {
  {
    const std::lock_guard lock(mutex_);
    if (full()) return false;
    queue_.push_back(std::move(item));
  }
  changed_.notify_one();
  return true;
}

bool PushedBackend::push(const RawFault& fault) { return queue(fault); }
bool PushedBackend::push_end() { return queue(EndOfFrames{}); }

DeviceInfo PushedBackend::open() { return {"verdictd", "pushed", "", "verdictd"}; }
Feature PushedBackend::get(const std::string& name) { no_feature(name); }
Feature PushedBackend::set(const std::string& name, const FeatureValue&) { no_feature(name); }
void PushedBackend::execute(const std::string& name) { no_feature(name); }
void PushedBackend::fire() { no_feature("TriggerSoftware"); }
BackendHealth PushedBackend::health() { return {true, std::nullopt, {}}; }

Taken PushedBackend::next(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, timeout, [this] { return interrupted_ || !queue_.empty(); });
  interrupted_ = false;
  if (queue_.empty()) return Nothing{};
  Taken item = std::move(queue_.front());
  queue_.pop_front();
  if (auto* frame = std::get_if<RawFrame>(&item)) frame->frame_id = ++frames_;
  return item;
}

void PushedBackend::release(const RawFrame& frame) noexcept {
  {
    const std::lock_guard lock(mutex_);
    const auto found = pictures_.find(frame.tag);
    if (found != pictures_.end()) {
      spare_ = std::move(found->second);
      pictures_.erase(found);
    }
  }
  outbox_->post(FreedEvent{frame.tag});
}

void PushedBackend::stop() noexcept {
  std::deque<Taken> left;
  {
    const std::lock_guard lock(mutex_);
    left = std::exchange(queue_, {});
  }
  for (const Taken& item : left) {
    if (const auto* frame = std::get_if<RawFrame>(&item)) release(*frame);
  }
}

void PushedBackend::interrupt() noexcept {
  {
    const std::lock_guard lock(mutex_);
    interrupted_ = true;
  }
  changed_.notify_one();
}

}  // namespace verdictd
