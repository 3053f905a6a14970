#include "last_resort.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <system_error>
#include <thread>

#include "args.h"

namespace verdictd {

void end_within(const Napi::CallbackInfo& info) {
  static std::atomic<bool> called{false};
  const auto ms = std::chrono::milliseconds(args::whole(args::at(info, 0), "the milliseconds", 0, 600'000));
  const int code = static_cast<int>(args::whole(args::at(info, 1), "the exit code", 0, 255));
  if (called.exchange(true)) return;
  // Nobody joins it: it outlives every environment, and the end of main() does not wait for it.
  try {
    std::thread([ms, code] {
      std::this_thread::sleep_for(ms);
      ::_exit(code);
    }).detach();
  } catch (const std::system_error&) {
    ::_exit(code);  // no thread to be had: what is about to be waited for may never come
  }
}

}  // namespace verdictd
