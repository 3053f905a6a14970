#include "camera/stream.h"

#include <algorithm>
#include <new>
#include <thread>
#include <utility>
#include <variant>

#include "camera/monotonic.h"

namespace verdictd {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How long a picture from memory waits for a slot before the thread looks at its commands again.
constexpr milliseconds kSlotWait(10);
// A software trigger that the camera does not take for so long is refused.
constexpr milliseconds kTriggerWait(2000);
// How soon a trigger that came too early for the camera is tried again.
constexpr milliseconds kTriggerRetry(1);
// Between looks at a stream that owes nothing: strays and the cable are noticed, a trigger wakes the thread at once.
constexpr milliseconds kIdleLook(20);
// More than the camera's clock can be off ours, and less than lies between a trigger given up and the next, ms.
constexpr double kClockDoubt = 5;

}  // namespace

Stream::~Stream() {
  rest_output();
  if (held_) backend_.release(*std::exchange(held_, std::nullopt));
  backend_.stop();
  for (const PendingFire& fire : std::exchange(fires_, {})) {
    report_.post(AnswerEvent{fire.request, BackendError("closed", "the stream ended before the camera took the trigger")});
  }
}

void Stream::fire(uint64_t request) { fires_.push_back({request, steady_clock::now() + kTriggerWait}); }

void Stream::accept(const AcceptCommand& asked) {
  const auto demand_in_time = [&] {
    const double late = monotonic_ms() - asked.until;
    if (late > 0) throw BackendError("refused", "the camera was busy: the part's time was over " + std::to_string(static_cast<int64_t>(late) + 1) + " ms ago");
  };
  demand_in_time();
  if (last_fault_ && *last_fault_ >= asked.asked) throw BackendError("refused", "an exposure failed after it was asked for");
  accept_until_ = steady_clock::now() + asked.time;
  try {
    backend_.accept(true);
    demand_in_time(); // the camera may take its time as well
  } catch (...) {
    rest_output();
    throw;
  }
}

void Stream::rest_output() noexcept {
  if (!std::exchange(accept_until_, std::nullopt)) return;
  try {
    backend_.accept(false);
  } catch (const std::exception&) {
    // A camera that does not answer any more: stop() and close() try again. One that has power keeps its level until it is opened.
  }
}

bool Stream::step() {
  try {
    return look();
  } catch (const BackendError& error) {
    // Anything but a glitch of one transfer: a camera whose library says this gives no more frames.
    if (backend_.live() && error.cause != "transient") throw;
    if (owed_) {
      // The frame of the trigger may still come: it, or expire(), is the one answer.
      report_.count(error.cause, 1);
      rest_output();
      expire();
    } else {
      fault({error.cause, error.what()});
    }
    // The library said no at once: do not ask it a thousand times a second. TypeScript decides what comes next.
    std::this_thread::sleep_for(backend_.patience());
    return true;
  }
}

bool Stream::look() {
  if (accept_until_ && steady_clock::now() >= *accept_until_) rest_output();
  if (held_) {
    const std::optional<Lease> lease = setup_.ring->acquire_within(kSlotWait);
    if (lease) deliver(*std::exchange(held_, std::nullopt), lease);
    return true;
  }
  try_fire();
  milliseconds patience = backend_.patience();
  if (idle()) {
    inbox_.wait(fires_.empty() ? (accept_until_ ? kTriggerRetry : kIdleLook) : kTriggerRetry);
    patience = milliseconds(0);
  }
  const Taken taken = backend_.next(patience);
  if (std::holds_alternative<EndOfFrames>(taken)) return false;
  if (const auto* frame = std::get_if<RawFrame>(&taken)) {
    take(*frame);
  } else if (const auto* bad = std::get_if<RawFault>(&taken)) {
    if (checks_) {
      checks_->look(*bad);
      report_.count("missed", checks_->take_missed());
    }
    owed_.reset();
    fault(*bad);
  }
  expire();
  return true;
}

// Triggers go one by one: the next is given when the last one's frame has come, or has been given up.
void Stream::try_fire() {
  if (fires_.empty() || owed_) return;
  AnswerEvent event;
  event.request = fires_.front().request;
  try {
    if (!backend_.ready()) {
      if (steady_clock::now() < fires_.front().until) return;
      throw BackendError("busy", "the camera took no trigger for " + std::to_string(kTriggerWait.count()) + " ms");
    }
    const double now = monotonic_ms();
    backend_.fire();
    if (setup_.expected.frame_timeout > 0) owed_ = now;
  } catch (const BackendError& error) {
    event.result = error;
  }
  fires_.pop_front();
  report_.post(std::move(event));
}

// A trigger that was taken and brought no frame.
void Stream::expire() {
  const double timeout = setup_.expected.frame_timeout;
  if (!owed_ || monotonic_ms() - *owed_ < timeout) return;
  owed_.reset();
  fault({"timeout", "no frame came within " + std::to_string(static_cast<int64_t>(timeout)) + " ms of the trigger"});
}

// Nothing is to come by itself.
bool Stream::idle() const { return setup_.expected.frame_timeout > 0 && !owed_; }

// A frame has come: to its slot, to wait for one, or back with the reason why it is not judged.
void Stream::take(RawFrame frame) {
  if (checks_) {
    const std::optional<RawFault> bad = checks_->look(frame);
    report_.count("missed", checks_->take_missed());
    const bool triggered = setup_.expected.frame_timeout > 0;
    // Of a trigger that was given up, or of none: it must not meet the part that waits now.
    const bool stray = triggered && (!owed_ || frame.exposed < *owed_ - kClockDoubt);
    if (stray) {
      backend_.release(frame);
      fault({"late", "frame " + std::to_string(frame.frame_id) + " belongs to no trigger that waits"}, frame.exposed);
      return;
    }
    // The clocks are off each other by their doubt: no frame that is taken for a trigger ended before it.
    if (owed_) frame.exposed = std::max(frame.exposed, *owed_);
    owed_.reset();
    if (bad) {
      backend_.release(frame);
      fault(*bad, frame.exposed);
      return;
    }
  }
  const std::optional<Lease> lease = setup_.ring->acquire();
  if (!lease && backend_.can_wait()) {
    held_ = frame;
  } else {
    deliver(frame, lease);
  }
}

// Fills the leased slot and gives the raw frame back.
void Stream::deliver(const RawFrame& frame, const std::optional<Lease>& lease) {
  Ring& ring = *setup_.ring;
  if (!lease) {
    backend_.release(frame);
    fault({"noFreeSlot", "every slot of the ring is leased: frames come faster than they are judged", frame.tag});
    return;
  }
  if (checks_) {
    if (const std::optional<RawFault> old = checks_->age(frame, monotonic_ms())) {
      backend_.release(frame);
      ring.release(*lease);
      fault(*old, frame.exposed);
      return;
    }
  }
  FrameEvent event;
  std::string failed = refusal(frame.image, setup_.input);
  if (failed.empty()) {
    try {
      Outputs out;
      out.tensor = ring.tensor(lease->slot);
      if (setup_.thumbnail_width > 0) out.thumbnail = &ring.thumbnail(lease->slot);
      event.quality = preprocessor_.run(frame.image, out);
      if (setup_.keep_raw) keep(frame.image, lease->slot);
    } catch (const std::exception& error) {
      failed = error.what();
    }
  }
  event.lease = *lease;
  event.frame_id = frame.frame_id;
  event.tag = frame.tag;
  event.width = frame.image.width;
  event.height = frame.image.height;
  event.format = frame.image.format;
  event.exposed = frame.exposed;
  event.chunk = frame.chunk;
  backend_.release(frame);
  if (!failed.empty()) {
    ring.release(*lease);
    fault({"unusable", failed, frame.tag});
    return;
  }
  event.ready = monotonic_ms();
  report_.frame(event);
}

// Evidence is a copy, so that the library has its buffer back at once. Without memory for it the part is judged all the same.
void Stream::keep(const ImageView& image, uint32_t slot) {
  setup_.ring->drop_raw(slot);
  try {
    setup_.ring->keep_raw(slot, image);
  } catch (const std::bad_alloc&) {
    report_.count("notKept", 1);
  }
}

// A part that waits gets no accept after this: the output must not say so either.
void Stream::fault(const RawFault& fault) { this->fault(fault, monotonic_ms()); }

void Stream::fault(const RawFault& fault, double at) {
  report_.fault(fault, at);
  last_fault_ = monotonic_ms();
  rest_output();
}

}  // namespace verdictd
