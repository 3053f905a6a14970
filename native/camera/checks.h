// What makes a frame of a real camera unfit to be judged although its bytes are all there.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "camera/backend.h"

namespace verdictd {

// What a stream's frames must be. Zeros and empty: not checked.
struct Expected {
  uint32_t width = 0;   // px
  uint32_t height = 0;  // px
  std::optional<PixelFormat> format;
  double late = 0;           // ms from the end of exposure on; older frames are not judged
  double frame_timeout = 0;  // ms from a software trigger to its frame; 0: frames come by themselves
};

class FrameChecks {
 public:
  explicit FrameChecks(Expected expected) : expected_(expected) {}

  // Looks at every frame once, in order, when it is taken; the fault, where there is one.
  std::optional<RawFault> look(const RawFrame& frame);
  // An exposure that is no picture has had its number all the same.
  void look(const RawFault& fault);
  // When it is about to be judged.
  std::optional<RawFault> age(const RawFrame& frame, double now) const;
  // Exposures the camera counted and nobody got, since this was last asked.
  uint64_t take_missed();

 private:
  // More than the buffers that a library turns round: an old one handed out again is as frozen as the last one is.
  static constexpr size_t kPrints = 32;

  // False for a number that has been.
  bool number(uint64_t id);
  // Whether a picture of these bytes was among the last ones, whatever became of it; notes it.
  bool seen(uint64_t print);

  Expected expected_;
  std::optional<uint64_t> last_id_;
  std::deque<uint64_t> prints_;
  uint64_t missed_ = 0;
};

}  // namespace verdictd
