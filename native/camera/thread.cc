#include "camera/thread.h"

#include <pthread.h>

#include <utility>
#include <variant>

#include "camera/snap.h"

namespace verdictd {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kPollEvery(1000);
// Polls in a row without an answer that mean the link is dead.
constexpr int kDeadPolls = 2;

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

}  // namespace

CameraThread::CameraThread(std::shared_ptr<Backend> backend, std::shared_ptr<Outbox> outbox)
    : state_(std::make_shared<State>(std::move(backend), std::move(outbox))) {
  thread_ = std::thread([state = state_] { state->run(); });
  pthread_setname_np(thread_.native_handle(), "verdictd-camera");
}

CameraThread::~CameraThread() { end(milliseconds(5000)); }

bool CameraThread::post(uint64_t request, Command command) {
  if (!state_->inbox.post(request, std::move(command))) return false;
  state_->backend->interrupt();
  return true;
}

ThreadHealth CameraThread::health() const { return state_->report.health(); }

void CameraThread::finish() {
  state_->inbox.finish();
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
      inbox.wait(kPollEvery);
    }
  }
  stream.reset();
  backend->close();
  report.disconnected();
  report.post(ClosedEvent{});
  const std::lock_guard lock(mutex);
  ended = true;
  has_ended.notify_all();
}

// Carries out what has been asked for; false when the thread shall end.
bool CameraThread::State::serve() {
  while (std::optional<Inbox::Item> next = inbox.take()) {
    if (std::optional<AnswerEvent> done = answer(next->first, next->second)) report.post(std::move(*done));
  }
  if (!inbox.finished()) return true;
  // Whoever still waits gets an answer.
  for (const auto& [request, command] : inbox.rest()) {
    report.post(AnswerEvent{request, BackendError("closed", "the camera was closed")});
  }
  return false;
}

// Nothing where the answer comes later.
std::optional<AnswerEvent> CameraThread::State::answer(uint64_t request, Command& command) {
  AnswerEvent event;
  event.request = request;
  bool later = false;
  if (!open && !std::holds_alternative<OpenCommand>(command) && !std::holds_alternative<ListCommand>(command)) {
    event.result = BackendError("closed", "the camera is not open");
    return event;
  }
  const auto demand_stream = [this] {
    if (!stream) throw BackendError("refused", "the camera is not streaming");
  };
  try {
    std::visit(Overloaded{
                   [&](const ListCommand&) {
                     if (open) throw BackendError("refused", "a list of cameras beside an open one would disturb it");
                     event.result = backend->list();
                   },
                   [&](const FeaturesCommand&) { event.result = backend->features(); },
                   [&](const SnapCommand& c) {
                     if (stream) throw BackendError("refused", "the camera is streaming");
                     event.result = snap(*backend, inbox, c.timeout);
                   },
                   [&](const AcceptCommand& c) {
                     demand_stream();
                     stream->accept(c);
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
                   [&](StartCommand& c) { start(std::move(c.setup)); },
                   [&](const FireCommand&) {
                     demand_stream();
                     stream->fire(request);
                     later = true;
                   },
                   [&](const StopCommand&) {
                     if (!stream) backend->stop();
                     stream.reset();
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

void CameraThread::State::start(StreamSetup setup) {
  if (stream) throw BackendError("refused", "the camera is streaming already");
  try {
    stream.emplace(*backend, report, inbox, std::move(setup));
    stream->start();
    failed_polls = 0;
  } catch (...) {
    stream.reset();
    throw;
  }
}

void CameraThread::State::step() {
  try {
    if (stream->step()) return;
    stream.reset();
    report.post(EndEvent{});
  } catch (const std::exception& error) {
    lose(error.what());
  }
}

// The stream is over because the camera is: whoever reads it is told why, then that nothing follows.
void CameraThread::State::lose(const std::string& detail) {
  report.fault({"lost", detail});
  report.disconnected();
  // First, as a library that has lost its camera may not come back from being asked to stop.
  report.post(EndEvent{});
  stream.reset();
}

void CameraThread::State::poll() {
  if (steady_clock::now() < next_poll) return;
  next_poll = steady_clock::now() + kPollEvery;
  BackendHealth now;
  try {
    now = backend->health();
  } catch (const std::exception&) {
    now.connected = false;
  }
  failed_polls = now.connected ? 0 : failed_polls + 1;
  report.polled(std::move(now));
  if (stream && failed_polls >= kDeadPolls) lose("The camera does not answer any more.");
}

}  // namespace verdictd
