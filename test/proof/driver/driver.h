// Native code without Node, so that ThreadSanitizer and valgrind can watch it: what they make of V8 is of no use to anybody.
#pragma once

#include <cstdio>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "camera/thread.h"

namespace driver {

inline int& failures() {
  static int count = 0;
  return count;
}

#define CHECK(what)                                                                \
  do {                                                                             \
    if (!(what)) {                                                                 \
      driver::failures()++;                                                        \
      std::printf("  %s:%d: not so: %s\n", __FILE__, __LINE__, #what);             \
    }                                                                              \
  } while (false)

// The JavaScript side's part: takes events off the outbox in a thread of its own, releases frames, keeps answers.
class Consumer {
 public:
  Consumer(std::shared_ptr<verdictd::Outbox> outbox, std::shared_ptr<verdictd::Ring> ring);
  // Waits for ClosedEvent.
  ~Consumer();
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  // The answer to a request; nothing within `ms`: a failure that is counted.
  verdictd::AnswerEvent answer(uint64_t request, int ms = 60000);
  uint64_t frames() const;
  uint64_t faults() const;
  // Sum over the pixels that were looked at: reading the slot is what races with filling it, if anything does.
  double sum() const;
  // Until this many exposures (frames and faults) have come, or the stream ended.
  bool wait(uint64_t exposures, int ms = 60000);

 private:
  void run();

  const std::shared_ptr<verdictd::Outbox> outbox_;
  const std::shared_ptr<verdictd::Ring> ring_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool signalled_ = false;
  bool closed_ = false;
  bool ended_ = false;
  uint64_t frames_ = 0;
  uint64_t faults_ = 0;
  double sum_ = 0;
  std::map<uint64_t, verdictd::AnswerEvent> answers_;
  std::thread thread_;
};

void ring_cases();
void pushed_cases();
void spinnaker_cases(const std::string& library, int frames);

}  // namespace driver
