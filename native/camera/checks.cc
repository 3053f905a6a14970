#include "camera/checks.h"

#include <utility>

#include "frame/fingerprint.h"

namespace verdictd {
namespace {

std::string shape(uint32_t width, uint32_t height, PixelFormat format) {
  return std::to_string(width) + " x " + std::to_string(height) + " " + std::string(name_of(format));
}

}  // namespace

std::optional<RawFault> FrameChecks::look(const RawFrame& frame) {
  const std::string name = "frame " + std::to_string(frame.frame_id);
  const std::optional<uint64_t> before = std::exchange(last_id_, frame.frame_id);
  if (before && frame.frame_id <= *before) {
    last_id_ = before;
    return RawFault{"duplicate", name + " came after frame " + std::to_string(*before)};
  }
  // The first number of a stream is 0.
  missed_ += frame.frame_id - (before ? *before + 1 : 0);

  const ImageView& image = frame.image;
  const bool size = (expected_.width != 0 && image.width != expected_.width) || (expected_.height != 0 && image.height != expected_.height);
  const bool format = expected_.format && image.format != *expected_.format;
  if (size || format) {
    return RawFault{size ? "wrongSize" : "wrongFormat",
                    name + " is " + shape(image.width, image.height, image.format) + ", expected " +
                        shape(expected_.width, expected_.height, expected_.format.value_or(image.format))};
  }
  const uint64_t print = fingerprint(image);
  const std::optional<uint64_t> last = std::exchange(last_print_, print);
  if (last && *last == print) return RawFault{"frozen", name + " is byte for byte the one before it"};
  return std::nullopt;
}

std::optional<RawFault> FrameChecks::age(const RawFrame& frame, double now) const {
  if (expected_.late <= 0 || now - frame.exposed <= expected_.late) return std::nullopt;
  const auto ms = static_cast<int64_t>(now - frame.exposed);
  return RawFault{"late", "frame " + std::to_string(frame.frame_id) + " was exposed " + std::to_string(ms) + " ms ago"};
}

uint64_t FrameChecks::take_missed() { return std::exchange(missed_, 0); }

}  // namespace verdictd
