// A camera that streams: triggers, exposures into ring slots, the accept output. One from start to stop.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "camera/backend.h"
#include "camera/checks.h"
#include "camera/inbox.h"
#include "camera/report.h"
#include "frame/preprocess.h"
#include "frame/ring.h"

namespace verdictd {

// Used by the camera thread only.
class Stream {
 public:
  Stream(Backend& backend, Report& report, Inbox& inbox, StreamSetup setup)
      : backend_(backend), report_(report), inbox_(inbox), setup_(std::move(setup)), preprocessor_(setup_.input, setup_.thumbnail_width) {
    if (backend.live()) checks_.emplace(setup_.expected, setup_.memory);
  }
  // Output at rest, the frame that waits given back, the camera stopped, triggers that wait answered.
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Throws what the backend throws; the destructor stops what was begun.
  void start() { backend_.start(); }
  // Gives one trigger as soon as the camera takes it; then `request` is answered.
  void fire(uint64_t request);
  // Throws BackendError("refused") where it comes too late; the output is at rest then.
  void accept(const AcceptCommand& asked);
  // One look at the camera; returns soon. False: there are no more frames. Throws BackendError: the camera is lost.
  bool step();

 private:
  using Clock = std::chrono::steady_clock;
  struct PendingFire {
    uint64_t request = 0;
    Clock::time_point until;
  };

  bool look();
  void try_fire();
  bool idle() const;
  void expire();
  void take(RawFrame frame);
  void deliver(const RawFrame& frame, const std::optional<Lease>& lease);
  void keep(const ImageView& image, uint32_t slot);
  void rest_output() noexcept;
  void fault(const RawFault& fault);
  void fault(const RawFault& fault, double at);

  Backend& backend_;
  Report& report_;
  Inbox& inbox_;
  const StreamSetup setup_;
  Preprocessor preprocessor_;
  std::optional<FrameChecks> checks_;  // of a live camera
  std::optional<RawFrame> held_;       // a frame that waits for a slot
  std::deque<PendingFire> fires_;      // triggers the camera has not taken yet
  std::optional<double> owed_;         // ms, monotonic: a trigger was taken then and its frame has not come
  std::optional<Clock::time_point> accept_until_;
  std::optional<double> last_fault_;  // ms, monotonic
};

}  // namespace verdictd
