// Frames from memory: pictures decoded from files and the simulated line. Everything behind the camera thread is as with a
// real camera.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include "camera/backend.h"
#include "camera/outbox.h"

namespace verdictd {

class PushedBackend final : public Backend {
 public:
  static constexpr size_t kQueue = 8;

  // Tells `outbox` when a picture's memory is free again.
  explicit PushedBackend(std::shared_ptr<Outbox> outbox) : outbox_(std::move(outbox)) {}

  enum class Pushed { yes, full, tag_in_use };
  // From any thread. Each is taken in order. The picture is copied: JavaScript can change its memory, hand it to another thread or
  // let go of it at any moment, and nothing of Node-API can forbid that. FreedEvent of its tag says that there is room again.
  Pushed push(RawFrame frame);
  // False when the queue is full.
  bool push(const RawFault& fault);
  bool push_end();

  DeviceInfo open() override;
  Feature get(const std::string& name) override;
  Feature set(const std::string& name, const FeatureValue& value) override;
  void execute(const std::string& name) override;
  void start() override {}
  Taken next(std::chrono::milliseconds timeout) override;
  void release(const RawFrame& frame) noexcept override;
  void fire() override;
  BackendHealth health() override;
  void stop() noexcept override;
  void close() noexcept override { stop(); }
  void interrupt() noexcept override;
  std::chrono::milliseconds patience() const override { return std::chrono::milliseconds(200); }
  bool can_wait() const override { return true; }

 private:
  bool queue(Taken item);
  // Under the lock.
  bool full() const { return queue_.size() >= kQueue; }

  const std::shared_ptr<Outbox> outbox_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Taken> queue_;
  std::map<uint64_t, std::vector<uint8_t>> pictures_;  // by tag, until release()
  std::vector<uint8_t> spare_;                         // memory of a picture before, for the next: fresh pages cost more than the copy
  bool interrupted_ = false;
  uint64_t frames_ = 0;
};

}  // namespace verdictd
