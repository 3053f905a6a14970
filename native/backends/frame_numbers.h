#pragma once

#include <cstdint>

namespace verdictd {

// Numbers of frames that only grow, from numbers that wrap: GigE Vision 1.x counts 1 ... 65535, 1 ... (0 is none of its numbers; later
// versions and USB3 Vision count in 64 bits). The first frame that was seen is number 0: what was lost before it nobody can tell.
class FrameNumbers {
 public:
  void restart() { *this = FrameNumbers(); }

  // A frame that came before gets its own number again.
  uint64_t number(uint64_t id) {
    if (!any_) {
      any_ = true;
      last_ = id;
      return now_;
    }
    if (id > last_) {
      const uint64_t ahead = id - last_;
      // A late frame of the round before.
      if (narrow(id) && ahead >= kHalf && now_ >= kRound) return now_ - (kRound - ahead);
      now_ += ahead;
      last_ = id;
      return now_;
    }
    const uint64_t behind = last_ - id;
    if (!narrow(last_) || behind < kHalf) return behind > now_ ? 0 : now_ - behind;
    // A camera that does count a 0 is taken at its word.
    now_ += kRound - behind + (id == 0 ? 1 : 0);
    last_ = id;
    return now_;
  }

 private:
  static constexpr uint64_t kRound = 0xFFFF;
  static constexpr uint64_t kHalf = 0x8000;
  static bool narrow(uint64_t id) { return id <= 0xFFFF; }

  bool any_ = false;
  uint64_t last_ = 0;
  uint64_t now_ = 0;
};

}  // namespace verdictd
