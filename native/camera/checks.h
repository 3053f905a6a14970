// What makes a frame of a real camera unfit to be judged although its bytes are all there.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

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

// The last pictures of a camera, as fingerprints, over all of its streams: an old buffer that is handed out as the first frame after a
// cable was plugged in again is as stale as any other. From any thread.
class PictureMemory {
 public:
  // Whether a picture of these bytes was among the last ones, whatever became of it; notes it.
  bool seen(uint64_t print);
  // More than the buffers that a library turns round.
  static constexpr size_t kPrints = 32;

 private:
  std::mutex mutex_;
  std::deque<uint64_t> prints_;
};

// Of one stream.
class FrameChecks {
 public:
  FrameChecks(Expected expected, std::shared_ptr<PictureMemory> memory) : expected_(expected), memory_(std::move(memory)) {}

  // Looks at every frame once, in order, when it is taken; the fault, where there is one.
  std::optional<RawFault> look(const RawFrame& frame);
  // An exposure that is no picture has had its number all the same.
  void look(const RawFault& fault);
  // When it is about to be judged.
  std::optional<RawFault> age(const RawFrame& frame, double now) const;
  // Exposures the camera counted and nobody got, since this was last asked.
  uint64_t take_missed();

 private:
  // False for a number that has been.
  bool number(uint64_t id);

  Expected expected_;
  std::shared_ptr<PictureMemory> memory_;  // never null
  std::optional<uint64_t> last_id_;
  uint64_t missed_ = 0;
};

}  // namespace verdictd
