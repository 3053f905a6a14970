#include "frame/quality.h"

namespace verdictd {
namespace {

constexpr uint8_t kDark = 4;      // at or below: nothing to see
constexpr uint8_t kBright = 251;  // at or above: the sensor was full

// Luma of ITU-R BT.601 in 8 bit fixed point; the weights add up to 2^8, the sum stays inside 16 bits.
inline uint8_t luma_of(uint8_t r, uint8_t g, uint8_t b) {
  return static_cast<uint8_t>(static_cast<uint16_t>(77 * r + 150 * g + 29 * b + 128) >> 8);
}

}  // namespace

void QualityMeter::row(uint32_t j, const uint8_t* planes) {
  if (j == 0) sum_ = dark_ = bright_ = laplacian_ = 0;
  const uint8_t* red = planes;
  const uint8_t* green = planes + width_;
  const uint8_t* blue = green + width_;
  uint8_t* below = luma(j);
  uint32_t sum = 0;
  uint32_t dark = 0;
  uint32_t bright = 0;
  for (uint32_t x = 0; x < width_; x++) below[x] = luma_of(red[x], green[x], blue[x]);
  for (uint32_t x = 0; x < width_; x++) {
    sum += below[x];
    dark += below[x] <= kDark ? 1 : 0;
    bright += below[x] >= kBright ? 1 : 0;
  }
  sum_ += sum;
  dark_ += dark;
  bright_ += bright;
  if (j < 2) return;
  const uint8_t* row = luma(j - 1);
  const uint8_t* above = luma(j - 2);
  uint32_t edges = 0;
  for (uint32_t x = 1; x + 1 < width_; x++) {
    const auto edge = static_cast<int16_t>(4 * row[x] - row[x - 1] - row[x + 1] - above[x] - below[x]);
    edges += static_cast<uint16_t>(edge < 0 ? -edge : edge);
  }
  laplacian_ += edges;
}

Quality QualityMeter::result(uint32_t height) const {
  const double pixels = static_cast<double>(width_) * height;
  const double inner = width_ > 2 && height > 2 ? static_cast<double>(width_ - 2) * (height - 2) : 0;
  return {static_cast<double>(sum_) / pixels, static_cast<double>(dark_) / pixels, static_cast<double>(bright_) / pixels,
          inner > 0 ? static_cast<double>(laplacian_) / inner : 0};
}

}  // namespace verdictd
