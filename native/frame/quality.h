// Figures of the picture itself, from the rows of the model's 8 bit grid as they are made.
#pragma once

#include <cstdint>
#include <vector>

#include "frame/image.h"

namespace verdictd {

class QualityMeter {
 public:
  explicit QualityMeter(uint32_t width) : width_(width), luma_(static_cast<size_t>(width) * 3) {}

  // Three planes of `width` values; the first row of a picture has j 0.
  void row(uint32_t j, const uint8_t* planes);
  // After the last of `height` rows.
  Quality result(uint32_t height) const;

 private:
  uint8_t* luma(uint32_t j) { return &luma_[(j % 3) * static_cast<size_t>(width_)]; }

  uint32_t width_;
  std::vector<uint8_t> luma_;  // the last three rows
  uint64_t sum_ = 0;
  uint64_t dark_ = 0;
  uint64_t bright_ = 0;
  uint64_t laplacian_ = 0;
};

}  // namespace verdictd
