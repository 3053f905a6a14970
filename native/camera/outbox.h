// What the camera thread tells JavaScript: small facts in order, never a picture.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include "camera/backend.h"
#include "frame/ring.h"

namespace verdictd {

struct FrameEvent {
  Lease lease;
  uint64_t frame_id = 0;
  uint64_t tag = 0;
  uint32_t width = 0;
  uint32_t height = 0;
  PixelFormat format = PixelFormat::Mono8;
  double exposed = 0;  // ms, monotonic
  double ready = 0;    // ms, monotonic
  Quality quality;
  std::optional<Chunk> chunk;
};
struct FaultEvent {
  std::string cause;
  std::string detail;
  double at = 0;  // ms, monotonic
  uint64_t tag = 0;
};
// The picture pushed under this tag is no longer looked at.
struct FreedEvent {
  uint64_t tag = 0;
};
struct EndEvent {};
// One exposure as it came, rows without padding.
struct Snapshot {
  uint32_t width = 0;
  uint32_t height = 0;
  PixelFormat format = PixelFormat::Mono8;
  std::vector<uint8_t> data;
  uint64_t frame_id = 0;
  double exposed = 0;  // ms, monotonic
  std::optional<Chunk> chunk;
};
// A command has been carried out, or not.
struct AnswerEvent {
  uint64_t request = 0;
  std::variant<std::monostate, DeviceInfo, Feature, DeviceList, std::vector<std::string>, Snapshot, BackendError> result;
};
// The thread has ended; nothing follows.
struct ClosedEvent {};
using Event = std::variant<FrameEvent, FaultEvent, FreedEvent, EndEvent, AnswerEvent, ClosedEvent>;

// Bounded: frames by the slots of the ring, freed tags and answers by what JavaScript has asked for, faults by kMaxFaults;
// faults beyond are counted, not queued. post() never waits.
class Outbox {
 public:
  void post(Event event);
  std::deque<Event> drain();
  // `signal` is called after each post, from the posting thread, until quiet() returns; it must not wait.
  void listen(std::function<void()> signal);
  void quiet();
  uint64_t dropped_faults() const;

 private:
  static constexpr size_t kMaxFaults = 256;
  mutable std::mutex mutex_;
  std::deque<Event> events_;
  size_t faults_ = 0;
  uint64_t dropped_ = 0;
  std::function<void()> signal_;
};

}  // namespace verdictd
