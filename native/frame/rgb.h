// Pillow's antialiased bicubic resize of 8 bit pictures, bit for bit.
#pragma once

#include <vector>

#include "frame/row_filter.h"
#include "frame/weights.h"

namespace verdictd {

// Horizontal pass first, its result rounded to 8 bits, then the vertical pass: the order and the fixed point of Pillow's
// ImagingResample for 8 bit pictures. (Pillow skips a pass that changes no size; with these weights it changes no pixel.)
// Mono8 is resized as one plane and repeated, as Pillow's "L" resized and then converted to RGB.
class PillowFilter final : public RowFilter {
 public:
  PillowFilter(uint32_t width, PixelFormat format, const Region& region, uint32_t out_width, uint32_t out_height);

  void row(const ImageView& image, uint32_t j, uint8_t* planes) override;
  uint32_t reached(uint32_t j) const override;

 private:
  void horizontal(const ImageView& image, uint32_t y);
  uint8_t* resized(uint32_t y) { return &window_[(y % depth_) * row_bytes_]; }

  uint32_t out_width_;
  uint32_t channels_;
  FixedAxis rows_;
  FixedAxis columns_;
  uint32_t depth_;     // rows the vertical pass looks at
  size_t row_bytes_;   // of one horizontally resized row, all channels
  uint32_t next_ = 0;  // first input row not yet resized horizontally
  std::vector<uint8_t> window_;
  std::vector<int16_t> planes_[3];  // one input row
  std::vector<const uint8_t*> lines_;
};

}  // namespace verdictd
