// What a camera thread tells of itself: events in order, and counters that anybody may read at any time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "camera/backend.h"
#include "camera/outbox.h"

namespace verdictd {

struct ThreadHealth {
  bool connected = false;
  double alive = 0;  // ms, monotonic: last frame or answered poll
  uint64_t frames = 0;
  std::map<std::string, uint64_t> faults;  // by cause
  std::optional<double> temperature;
  std::map<std::string, double> values;
};

class Report {
 public:
  explicit Report(std::shared_ptr<Outbox> outbox) : outbox_(std::move(outbox)) {}

  ThreadHealth health() const;

  void post(Event event) { outbox_->post(std::move(event)); }
  // A frame that can be judged: counted, a sign of life, told.
  void frame(FrameEvent event);
  // Counted and told; the second form for an exposure whose time is known.
  void fault(const RawFault& fault);
  void fault(const RawFault& fault, double at);
  // Counted only.
  void count(const std::string& cause, uint64_t n);
  void polled(BackendHealth now);
  void disconnected();

 private:
  const std::shared_ptr<Outbox> outbox_;
  mutable std::mutex mutex_;
  ThreadHealth health_;
};

}  // namespace verdictd
