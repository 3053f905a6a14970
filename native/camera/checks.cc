#include "camera/checks.h"

#include <algorithm>
#include <utility>

#include "frame/fingerprint.h"

namespace verdictd {
namespace {

std::string shape(uint32_t width, uint32_t height, PixelFormat format) {
  return std::to_string(width) + " x " + std::to_string(height) + " " + std::string(name_of(format));
}

}  // namespace

bool PictureMemory::seen(uint64_t print) {
  const std::lock_guard lock(mutex_);
  const bool before = std::find(prints_.begin(), prints_.end(), print) != prints_.end();
  if (before) return true;
  prints_.push_back(print);
  if (prints_.size() > kPrints) prints_.pop_front();
  return false;
}

bool FrameChecks::number(uint64_t id) {
  if (last_id_ && id <= *last_id_) return false;
  // The first number of a stream is 0.
  missed_ += id - (last_id_ ? *last_id_ + 1 : 0);
  last_id_ = id;
  return true;
}

void FrameChecks::look(const RawFault& fault) {
  if (fault.frame_id) static_cast<void>(number(*fault.frame_id));
}

std::optional<RawFault> FrameChecks::look(const RawFrame& frame) {
  const std::string name = "frame " + std::to_string(frame.frame_id);
  const bool frozen = memory_->seen(fingerprint(frame.image));
  if (!number(frame.frame_id)) return RawFault{"duplicate", name + " came after frame " + std::to_string(*last_id_)};

  const ImageView& image = frame.image;
  const bool size = (expected_.width != 0 && image.width != expected_.width) || (expected_.height != 0 && image.height != expected_.height);
  const bool format = expected_.format && image.format != *expected_.format;
  if (size || format) {
    return RawFault{size ? "wrongSize" : "wrongFormat",
                    name + " is " + shape(image.width, image.height, image.format) + ", expected " +
                        shape(expected_.width, expected_.height, expected_.format.value_or(image.format))};
  }
  if (frozen) return RawFault{"frozen", name + " is byte for byte one of the " + std::to_string(PictureMemory::kPrints) + " before it"};
  return std::nullopt;
}

std::optional<RawFault> FrameChecks::age(const RawFrame& frame, double now) const {
  if (expected_.late <= 0 || now - frame.exposed <= expected_.late) return std::nullopt;
  const auto ms = static_cast<int64_t>(now - frame.exposed);
  return RawFault{"late", "frame " + std::to_string(frame.frame_id) + " was exposed " + std::to_string(ms) + " ms ago"};
}

uint64_t FrameChecks::take_missed() { return std::exchange(missed_, 0); }

}  // namespace verdictd
