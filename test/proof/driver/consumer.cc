#include "driver.h"

namespace driver {

using namespace verdictd;
using std::chrono::milliseconds;

Consumer::Consumer(std::shared_ptr<Outbox> outbox, std::shared_ptr<Ring> ring) : outbox_(std::move(outbox)), ring_(std::move(ring)) {
  outbox_->listen([this] {
    const std::lock_guard lock(mutex_);
    signalled_ = true;
    changed_.notify_all();
  });
  thread_ = std::thread([this] { run(); });
}

Consumer::~Consumer() {
  thread_.join();
  outbox_->quiet();
}

void Consumer::run() {
  for (bool closed = false; !closed;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return signalled_; });
      signalled_ = false;
    }
    for (const Event& event : outbox_->drain()) {
      double sum = 0;
      const auto* frame = std::get_if<FrameEvent>(&event);
      if (frame != nullptr) {
        CHECK(ring_->pin(frame->lease));
        for (size_t i = 0; i < ring_->tensor_values(); i += 7) sum += ring_->tensor(frame->lease.slot)[i];
        sum += ring_->thumbnail(frame->lease.slot).rgb.size() > 0 ? ring_->thumbnail(frame->lease.slot).rgb[0] : 0;
        ring_->unpin(frame->lease.slot);
        CHECK(ring_->release(frame->lease) == Ring::Released::yes);
      }
      const std::lock_guard lock(mutex_);
      sum_ += sum;
      if (frame != nullptr) frames_++;
      if (std::holds_alternative<FaultEvent>(event)) faults_++;
      if (std::holds_alternative<EndEvent>(event)) ended_ = true;
      if (const auto* answer = std::get_if<AnswerEvent>(&event)) answers_[answer->request] = *answer;
      if (std::holds_alternative<ClosedEvent>(event)) closed = closed_ = true;
      changed_.notify_all();
    }
  }
}

AnswerEvent Consumer::answer(uint64_t request, int ms) {
  std::unique_lock lock(mutex_);
  const bool came = changed_.wait_for(lock, milliseconds(ms), [&] { return answers_.count(request) > 0 || closed_; });
  const auto found = answers_.find(request);
  CHECK(came && found != answers_.end());
  return found == answers_.end() ? AnswerEvent{} : found->second;
}

bool Consumer::wait(uint64_t exposures, int ms) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, milliseconds(ms), [&] { return frames_ + faults_ >= exposures || ended_ || closed_; });
}

uint64_t Consumer::frames() const {
  const std::lock_guard lock(mutex_);
  return frames_;
}
uint64_t Consumer::faults() const {
  const std::lock_guard lock(mutex_);
  return faults_;
}
double Consumer::sum() const {
  const std::lock_guard lock(mutex_);
  return sum_;
}

}  // namespace driver
