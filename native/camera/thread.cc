#include "camera/thread.h"

#include <pthread.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace verdictd {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kPollEvery(1000);
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
// Polls in a row without an answer that mean the link is dead.
constexpr int kDeadPolls = 2;

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

}  // namespace

double monotonic_ms() {
  return std::chrono::duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

CameraThread::CameraThread(std::shared_ptr<Backend> backend, std::shared_ptr<Outbox> outbox) : state_(std::make_shared<State>()) {
  state_->backend = std::move(backend);
  state_->outbox = std::move(outbox);
  thread_ = std::thread([state = state_] { state->run(); });
  pthread_setname_np(thread_.native_handle(), "verdictd-camera");
}

CameraThread::~CameraThread() { end(milliseconds(5000)); }

bool CameraThread::post(uint64_t request, Command command) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->finishing) return false;
    state_->commands.emplace_back(request, std::move(command));
  }
  state_->wake.notify_one();
  state_->backend->interrupt();
  return true;
}

ThreadHealth CameraThread::health() const {
  const std::lock_guard lock(state_->mutex);
  return state_->health;
}

void CameraThread::finish() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->finishing = true;
  }
  state_->wake.notify_one();
  state_->backend->interrupt();
}

bool CameraThread::end(milliseconds patience) {
  if (!thread_.joinable()) return true;
  finish();
  {
    std::unique_lock lock(state_->mutex);
    if (!state_->has_ended.wait_for(lock, patience, [this] { return state_->ended; })) {
      lock.unlock();
      thread_.detach();
      return false;
    }
  }
  thread_.join();
  return true;
}

void CameraThread::State::run() {
  while (serve()) {
    if (open) poll();
    if (stream) {
      step();
    } else {
      wait(kPollEvery);
    }
  }
  rest_output();
  stop_stream();
  backend->close();
  {
    const std::lock_guard lock(mutex);
    health.connected = false;
  }
  outbox->post(ClosedEvent{});
  const std::lock_guard lock(mutex);
  ended = true;
  has_ended.notify_all();
}

// Carries out what has been asked for; false when the thread shall end.
bool CameraThread::State::serve() {
  for (;;) {
    std::pair<uint64_t, Command> next;
    {
      const std::lock_guard lock(mutex);
      if (finishing) break;
      if (commands.empty()) return true;
      next = std::move(commands.front());
      commands.pop_front();
    }
    if (std::optional<AnswerEvent> done = answer(next.first, next.second)) outbox->post(std::move(*done));
  }
  // Whoever still waits gets an answer.
  std::deque<std::pair<uint64_t, Command>> left;
  {
    const std::lock_guard lock(mutex);
    left = std::exchange(commands, {});
  }
  for (const auto& [request, command] : left) outbox->post(AnswerEvent{request, BackendError("closed", "the camera was closed")});
  return false;
}

// Nothing where the answer comes later.
std::optional<AnswerEvent> CameraThread::State::answer(uint64_t request, const Command& command) {
  AnswerEvent event;
  event.request = request;
  bool later = false;
  if (!open && !std::holds_alternative<OpenCommand>(command) && !std::holds_alternative<ListCommand>(command)) {
    event.result = BackendError("closed", "the camera is not open");
    return event;
  }
  try {
    std::visit(Overloaded{
                   [&](const ListCommand&) {
                     if (open) throw BackendError("refused", "a list of cameras beside an open one would disturb it");
                     event.result = backend->list();
                   },
                   [&](const FeaturesCommand&) { event.result = backend->features(); },
                   [&](const SnapCommand& c) {
                     if (stream) throw BackendError("refused", "the camera is streaming");
                     event.result = snap(c.timeout);
                   },
                   [&](const AcceptCommand& c) {
                     if (!stream) throw BackendError("refused", "the camera is not streaming");
                     accept_until = steady_clock::now() + c.time;
                     backend->accept(true);
                   },
                   [&](const OpenCommand&) {
                     if (open) throw BackendError("refused", "the camera is open already");
                     event.result = backend->open();
                     open = true;
                     next_poll = steady_clock::now();
                   },
                   [&](const GetCommand& c) { event.result = backend->get(c.name); },
                   [&](const SetCommand& c) { event.result = backend->set(c.name, c.value); },
                   [&](const ExecuteCommand& c) { backend->execute(c.name); },
                   [&](const StartCommand& c) {
                     if (stream) throw BackendError("refused", "the camera is streaming already");
                     preprocessor.emplace(c.setup.input, c.setup.thumbnail_width);
                     backend->start();
                     stream = c.setup;
                     failed_polls = 0;
                     if (backend->live()) checks.emplace(c.setup.expected);
                   },
                   [&](const FireCommand&) {
                     if (!stream) throw BackendError("refused", "the camera is not streaming");
                     fires.push_back({request, steady_clock::now() + kTriggerWait});
                     later = true;
                   },
                   [&](const StopCommand&) {
                     rest_output();
                     stop_stream();
                   },
               },
               command);
  } catch (const BackendError& error) {
    event.result = error;
  } catch (const std::exception& error) {
    event.result = BackendError("internal", error.what());
  }
  if (later) return std::nullopt;
  return event;
}

void CameraThread::State::stop_stream() {
  if (held) backend->release(*std::exchange(held, std::nullopt));
  backend->stop();
  for (const PendingFire& fire : std::exchange(fires, {})) {
    outbox->post(AnswerEvent{fire.request, BackendError("closed", "the stream ended before the camera took the trigger")});
  }
  owed.reset();
  stream.reset();
  preprocessor.reset();
  checks.reset();
}

// The stream is over because the camera is: whoever reads it is told why, then that nothing follows.
void CameraThread::State::lose(const std::string& detail) {
  fault("lost", detail, 0);
  {
    const std::lock_guard lock(mutex);
    health.connected = false;
  }
  // First, as a library that has lost its camera may not come back from being asked to stop.
  outbox->post(EndEvent{});
  stop_stream();
}

void CameraThread::State::rest_output() {
  if (!std::exchange(accept_until, std::nullopt)) return;
  try {
    backend->accept(false);
  } catch (const std::exception&) {
    // A camera that does not answer any more: stop() and close() try again, and without power its outputs rest.
  }
}

void CameraThread::State::wait(milliseconds most) {
  std::unique_lock lock(mutex);
  wake.wait_for(lock, most, [this] { return finishing || !commands.empty(); });
}

// Triggers go one by one: the next is given when the last one's frame has come, or has been given up.
void CameraThread::State::try_fire() {
  if (fires.empty() || owed) return;
  AnswerEvent event;
  event.request = fires.front().request;
  try {
    if (!backend->ready()) {
      if (steady_clock::now() < fires.front().until) return;
      throw BackendError("busy", "the camera took no trigger for " + std::to_string(kTriggerWait.count()) + " ms");
    }
    const double now = monotonic_ms();
    backend->fire();
    if (stream->expected.frame_timeout > 0) owed = now;
  } catch (const BackendError& error) {
    event.result = error;
  }
  fires.pop_front();
  outbox->post(std::move(event));
}

// A trigger that was taken and brought no frame.
void CameraThread::State::expire() {
  if (!owed || monotonic_ms() - *owed < stream->expected.frame_timeout) return;
  owed.reset();
  fault("timeout", "no frame came within " + std::to_string(static_cast<int64_t>(stream->expected.frame_timeout)) + " ms of the trigger", 0);
}

// Nothing is to come by itself.
bool CameraThread::State::idle() const { return stream->expected.frame_timeout > 0 && !owed; }

void CameraThread::State::step() {
  try {
    if (accept_until && steady_clock::now() >= *accept_until) rest_output();
    if (held) {
      const std::optional<Lease> lease = stream->ring->acquire_within(kSlotWait);
      if (lease) deliver(*std::exchange(held, std::nullopt), lease);
      return;
    }
    try_fire();
    milliseconds patience = backend->patience();
    if (idle()) {
      wait(fires.empty() ? (accept_until ? kTriggerRetry : kIdleLook) : kTriggerRetry);
      patience = milliseconds(0);
    }
    std::visit(Overloaded{
                   [](const Nothing&) {},
                   [&](const RawFrame& frame) { take(frame); },
                   [&](const RawFault& f) {
                     owed.reset();
                     fault(f.cause, f.detail, f.tag);
                   },
                   [&](const EndOfFrames&) {
                     stop_stream();
                     outbox->post(EndEvent{});
                   },
               },
               backend->next(patience));
    if (stream) expire();
  } catch (const BackendError& error) {
    // Anything but a glitch of one transfer: a camera whose library says this gives no more frames.
    if (backend->live() && error.cause != "transient") {
      lose(error.what());
      return;
    }
    fault(error.cause, error.what(), 0);
    // The library said no at once: do not ask it a thousand times a second. TypeScript decides what comes next.
    std::this_thread::sleep_for(backend->patience());
  }
}

// A frame has come: to its slot, to wait for one, or back with the reason why it is not judged.
void CameraThread::State::take(RawFrame frame) {
  if (checks) {
    std::optional<RawFault> bad = checks->look(frame);
    count("missed", checks->take_missed());
    const bool triggered = stream->expected.frame_timeout > 0;
    // Of a trigger that was given up, or of none: it must not meet the part that waits now.
    const bool stray = triggered && (!owed || frame.exposed < *owed - kClockDoubt);
    if (stray) {
      backend->release(frame);
      fault_at("late", "frame " + std::to_string(frame.frame_id) + " belongs to no trigger that waits", 0, frame.exposed);
      return;
    }
    // Whatever the two clocks say within their doubt, it was exposed after its trigger.
    if (owed) frame.exposed = std::max(frame.exposed, *owed);
    owed.reset();
    if (bad) {
      backend->release(frame);
      fault_at(bad->cause, bad->detail, 0, frame.exposed);
      return;
    }
  }
  const std::optional<Lease> lease = stream->ring->acquire();
  if (!lease && backend->can_wait()) {
    held = frame;
  } else {
    deliver(frame, lease);
  }
}

// Fills the leased slot and gives the raw frame back.
void CameraThread::State::deliver(const RawFrame& frame, const std::optional<Lease>& lease) {
  if (!lease) {
    backend->release(frame);
    fault("noFreeSlot", "every slot of the ring is leased: frames come faster than they are judged", frame.tag);
    return;
  }
  if (checks) {
    if (const std::optional<RawFault> old = checks->age(frame, monotonic_ms())) {
      backend->release(frame);
      stream->ring->release(*lease);
      fault_at(old->cause, old->detail, 0, frame.exposed);
      return;
    }
  }
  FrameEvent event;
  std::string failed = refusal(frame.image, stream->input);
  if (failed.empty()) {
    try {
      Outputs out;
      out.tensor = stream->ring->tensor(lease->slot);
      if (stream->thumbnail_width > 0) out.thumbnail = &stream->ring->thumbnail(lease->slot);
      event.quality = preprocessor->run(frame.image, out);
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
  backend->release(frame);
  if (!failed.empty()) {
    stream->ring->release(*lease);
    fault("unusable", failed, frame.tag);
    return;
  }
  event.ready = monotonic_ms();
  {
    const std::lock_guard lock(mutex);
    health.frames++;
    health.alive = event.ready;
  }
  outbox->post(event);
}

Snapshot CameraThread::State::snap(milliseconds timeout) {
  struct Stopper {
    Backend& backend;
    ~Stopper() { backend.stop(); }
  } const stopper{*backend};
  backend->start();
  const auto until = steady_clock::now() + timeout;
  bool fired = false;
  std::string last = "no frame came";
  while (steady_clock::now() < until) {
    {
      const std::lock_guard lock(mutex);
      if (finishing) throw BackendError("closed", "the camera was closed");
    }
    if (!fired && backend->ready()) {
      try {
        backend->fire();
      } catch (const BackendError& error) {
        if (error.cause != "refused") throw;  // no software trigger: frames come by themselves, or by a line
      }
      fired = true;
    }
    const Taken taken = backend->next(backend->patience());
    if (const auto* bad = std::get_if<RawFault>(&taken)) {
      last = bad->detail;
      fired = false;
    }
    const auto* frame = std::get_if<RawFrame>(&taken);
    if (frame == nullptr) continue;
    Snapshot out;
    out.width = frame->image.width;
    out.height = frame->image.height;
    out.format = frame->image.format;
    out.frame_id = frame->frame_id;
    out.exposed = frame->exposed;
    out.chunk = frame->chunk;
    const size_t row = frame->image.row_bytes();
    out.data.resize(row * out.height);
    for (uint32_t y = 0; y < out.height; y++) std::memcpy(out.data.data() + y * row, frame->image.row(y), row);
    backend->release(*frame);
    return out;
  }
  throw BackendError("timeout", "no frame within " + std::to_string(timeout.count()) + " ms: " + last);
}

void CameraThread::State::count(const std::string& cause, uint64_t n) {
  if (n == 0) return;
  const std::lock_guard lock(mutex);
  health.faults[cause] += n;
}

void CameraThread::State::fault(const std::string& cause, const std::string& detail, uint64_t tag) {
  fault_at(cause, detail, tag, monotonic_ms());
}

void CameraThread::State::fault_at(const std::string& cause, const std::string& detail, uint64_t tag, double at) {
  count(cause, 1);
  outbox->post(FaultEvent{cause, detail, at, tag});
  rest_output();
}

void CameraThread::State::poll() {
  if (steady_clock::now() < next_poll) return;
  next_poll = steady_clock::now() + kPollEvery;
  BackendHealth now;
  try {
    now = backend->health();
  } catch (const BackendError&) {
    now.connected = false;
  }
  {
    const std::lock_guard lock(mutex);
    health.connected = now.connected;
    health.temperature = now.temperature;
    if (now.connected) {
      health.alive = monotonic_ms();
      health.values = std::move(now.values);
    }
  }
  failed_polls = now.connected ? 0 : failed_polls + 1;
  if (stream && failed_polls >= kDeadPolls) lose("The camera does not answer any more.");
}

}  // namespace verdictd
