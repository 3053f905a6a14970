// Frames from memory: pictures decoded from files and the simulated line. Everything behind the camera thread is as with a
// real camera.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <variant>

#include "camera/backend.h"
#include "camera/outbox.h"

namespace verdictd {

class PushedBackend final : public Backend {
 public:
  static constexpr size_t kQueue = 8;

  // Tells `outbox` when a picture's memory is free again.
  explicit PushedBackend(std::shared_ptr<Outbox> outbox) : outbox_(std::move(outbox)) {}

  // From any thread. Each is taken in order; false when the queue is full. The memory of a frame stays valid and unchanged
  // until FreedEvent of its tag.
  bool push(const RawFrame& frame);
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

  const std::shared_ptr<Outbox> outbox_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Taken> queue_;
  bool interrupted_ = false;
  uint64_t frames_ = 0;
};

}  // namespace verdictd
