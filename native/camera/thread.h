// The one native thread that makes every call of a backend: takes exposures, preprocesses them straight into ring slots, gives
// the raw frames back, and posts what happened.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "camera/backend.h"
#include "camera/inbox.h"
#include "camera/outbox.h"
#include "camera/report.h"
#include "camera/stream.h"

namespace verdictd {

class CameraThread {
 public:
  CameraThread(std::shared_ptr<Backend> backend, std::shared_ptr<Outbox> outbox);
  // Ends the thread; see end().
  ~CameraThread();
  CameraThread(const CameraThread&) = delete;
  CameraThread& operator=(const CameraThread&) = delete;

  // False once ending: the command will not be carried out.
  bool post(uint64_t request, Command command);
  ThreadHealth health() const;

  // Asks the thread to stop and close the backend, and to end. ClosedEvent follows. Does not wait.
  void finish();
  // The only way a thread is given up: finish(), then wait for it. A thread that hangs in a library call for longer than
  // `patience` is left alone with what it holds (its state is shared, nothing of ours dies under it). True when it ended.
  bool end(std::chrono::milliseconds patience);

 private:
  // Shared with the thread, so that a thread left alone still has it.
  struct State {
    State(std::shared_ptr<Backend> its_backend, std::shared_ptr<Outbox> outbox)
        : backend(std::move(its_backend)), report(std::move(outbox)) {}

    const std::shared_ptr<Backend> backend;
    Inbox inbox;
    Report report;

    std::mutex mutex;
    bool ended = false;
    std::condition_variable has_ended;

    // The rest belongs to the thread.
    std::optional<Stream> stream;
    bool open = false;
    int failed_polls = 0;
    std::chrono::steady_clock::time_point next_poll;

    void run();
    bool serve();
    std::optional<AnswerEvent> answer(uint64_t request, Command& command);
    void start(StreamSetup setup);
    void step();
    void poll();
    void lose(const std::string& detail);
  };

  const std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace verdictd
