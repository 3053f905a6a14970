// What JavaScript asks of a camera thread, in order.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "camera/backend.h"
#include "camera/checks.h"
#include "frame/preprocess.h"
#include "frame/ring.h"

namespace verdictd {

// What frames are made into while streaming.
struct StreamSetup {
  std::shared_ptr<Ring> ring;
  InputSpec input;
  uint32_t thumbnail_width = 0;  // px; 0: no thumbnails
  bool keep_raw = false;         // beside its tensor, each slot keeps the frame itself
  Expected expected;
  std::shared_ptr<PictureMemory> memory = std::make_shared<PictureMemory>();  // of the camera, where it streamed before
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
// Energises the accept output for `time`, unless that would be after `until`, or after a fault that came when it had been asked for: the
// thread may be busy, and an output that rises late rises for another part. ms, monotonic.
struct AcceptCommand {
  double asked = 0;
  double until = 0;
  std::chrono::milliseconds time{0};
};
struct StopCommand {};
using Command = std::variant<ListCommand, OpenCommand, FeaturesCommand, GetCommand, SetCommand, ExecuteCommand, StartCommand, FireCommand,
                             SnapCommand, AcceptCommand, StopCommand>;

// Bounded by what JavaScript has under way.
class Inbox {
 public:
  using Item = std::pair<uint64_t, Command>;

  // From any thread. False once finished: the command will not be carried out.
  bool post(uint64_t request, Command command);
  // From any thread: nothing more is taken in.
  void finish();
  bool finished() const;

  // For the camera thread: the next, or nothing. What is left after finish() is taken by rest().
  std::optional<Item> take();
  std::deque<Item> rest();
  // Returns when there is something to take, when finished, or after `most`.
  void wait(std::chrono::milliseconds most);

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> items_;
  bool finished_ = false;
};

}  // namespace verdictd
