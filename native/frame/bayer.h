// Bayer to RGB and resize in one separable filter: no full-size RGB picture is ever made.
#pragma once

#include <array>
#include <vector>

#include "frame/row_filter.h"
#include "frame/weights.h"

namespace verdictd {

// Red and blue come out as bilinear demosaic followed by Pillow's bicubic (both linear, so they fold into one filter). Green lies
// on two lattices; each is filtered so and their mean taken, where the exact fold would need a second vertical pass. Against the
// two-step reference this leaves about 0.2 of an 8 bit step on average (bench/preprocess.mjs measures it).
class BayerFilter final : public RowFilter {
 public:
  // `region` lies inside width x height (px); neither side of the frame is below kMinBayerSide.
  BayerFilter(uint32_t width, uint32_t height, PixelFormat format, const Region& region, uint32_t out_width, uint32_t out_height);

  void row(const ImageView& image, uint32_t j, uint8_t* planes) override;
  uint32_t reached(uint32_t j) const override;

 private:
  void vertical(const ImageView& image, uint32_t j, uint32_t phase);

  // Which of the four column sums carries which colour. Plane p = 2 * row phase + column phase.
  struct Mosaic {
    uint8_t red, blue, green[2];
  };
  static Mosaic mosaic_of(PixelFormat format);

  Mosaic mosaic_;
  uint32_t out_width_;
  FoldedAxis rows_;
  FoldedAxis columns_;
  std::array<std::vector<int16_t>, 4> planes_;
  std::vector<const uint8_t*> lines_;
};

}  // namespace verdictd
