// The one native thread that makes every call of a backend: takes exposures, preprocesses them straight into ring slots, gives
// the raw frames back, and posts what happened.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>

#include "camera/backend.h"
#include "camera/checks.h"
#include "camera/outbox.h"
#include "frame/preprocess.h"
#include "frame/ring.h"

namespace verdictd {

// What frames are made into while streaming.
struct StreamSetup {
  std::shared_ptr<Ring> ring;
  InputSpec input;
  uint32_t thumbnail_width = 0;  // px; 0: no thumbnails
  Expected expected;
};

// Command for the thread; the answer comes as an AnswerEvent of the same request number.
struct ListCommand {};
struct OpenCommand {};
struct FeaturesCommand {};
struct GetCommand {
  std::string name;
};
struct SetCommand {
  std::string name;
  FeatureValue value;
};
struct ExecuteCommand {
  std::string name;
};
struct StartCommand {
  StreamSetup setup;
};
// Answered once the camera has taken the trigger.
struct FireCommand {};
// One exposure of a camera that does not stream, copied as it is.
struct SnapCommand {
  std::chrono::milliseconds timeout;
};
// Energises the accept output for so long.
struct AcceptCommand {
  std::chrono::milliseconds time;
};
struct StopCommand {};
using Command = std::variant<ListCommand, OpenCommand, FeaturesCommand, GetCommand, SetCommand, ExecuteCommand, StartCommand, FireCommand,
                             SnapCommand, AcceptCommand, StopCommand>;

struct ThreadHealth {
  bool connected = false;
  double alive = 0;  // ms, monotonic: last frame or answered poll
  uint64_t frames = 0;
  std::map<std::string, uint64_t> faults;  // by cause
  std::optional<double> temperature;
  std::map<std::string, double> values;
};

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
  struct PendingFire {
    uint64_t request = 0;
    std::chrono::steady_clock::time_point until;
  };
  // Shared with the thread, so that a thread left alone still has it.
  struct State {
    std::shared_ptr<Backend> backend;
    std::shared_ptr<Outbox> outbox;

    mutable std::mutex mutex;
    std::condition_variable wake;
    std::deque<std::pair<uint64_t, Command>> commands;
    bool finishing = false;
    bool ended = false;
    std::condition_variable has_ended;
    ThreadHealth health;

    // The rest belongs to the thread.
    std::optional<StreamSetup> stream;
    std::optional<Preprocessor> preprocessor;
    std::optional<FrameChecks> checks;  // of a live camera
    std::optional<RawFrame> held;       // a frame that waits for a slot
    std::deque<PendingFire> fires;      // triggers the camera has not taken yet
    std::optional<double> owed;         // ms, monotonic: a trigger was taken then and its frame has not come
    bool open = false;
    int failed_polls = 0;
    std::chrono::steady_clock::time_point next_poll;
    std::optional<std::chrono::steady_clock::time_point> accept_until;

    void run();
    bool serve();
    std::optional<AnswerEvent> answer(uint64_t request, const Command& command);
    void step();
    void take(RawFrame frame);
    void deliver(const RawFrame& frame, const std::optional<Lease>& lease);
    void try_fire();
    bool idle() const;
    void expire();
    void poll();
    void rest_output();
    void lose(const std::string& detail);
    Snapshot snap(std::chrono::milliseconds timeout);
    void stop_stream();
    void fault(const std::string& cause, const std::string& detail, uint64_t tag);
    void fault_at(const std::string& cause, const std::string& detail, uint64_t tag, double at);
    void count(const std::string& cause, uint64_t n);
    void wait(std::chrono::milliseconds most);
  };

  const std::shared_ptr<State> state_;
  std::thread thread_;
};

// Milliseconds of std::chrono::steady_clock, the scale of src/clock.ts.
double monotonic_ms();

}  // namespace verdictd
