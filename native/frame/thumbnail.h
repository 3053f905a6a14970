// A small RGB picture of the whole frame for the evidence, made while the frame passes by.
#pragma once

#include <cstdint>
#include <vector>

#include "frame/image.h"

namespace verdictd {

// Interleaved RGB, 8 bit, rows without padding.
struct Picture {
  uint32_t width = 0;
  uint32_t height = 0;
  std::vector<uint8_t> rgb;
};

// Area average of pixels (RGB, mono) or of whole Bayer quads. A Bayer frame less than twice as wide as asked for is
// demosaiced (bilinear) at the nearest pixel instead. Never wider than the frame; the height follows the frame's aspect.
class ThumbnailPass {
 public:
  static constexpr uint32_t kMinWidth = 64;
  static constexpr uint32_t kMaxWidth = 4096;

  explicit ThumbnailPass(uint32_t width) : asked_(width) {}

  // Sizes `picture` for this frame; no allocation when the size is the one it has.
  void begin(const ImageView& image, Picture& picture);
  // Finishes every row whose input rows all lie below `rows`.
  void advance(const ImageView& image, uint32_t rows, Picture& picture);

 private:
  void nearest(const ImageView& image, Picture& picture);
  void box(const ImageView& image, Picture& picture);
  void sum_quads(const ImageView& image, uint32_t begin, uint32_t end);
  void sum_pixels(const ImageView& image, uint32_t begin, uint32_t end);

  // Cells [from, to) that output i of `n` looks at, out of `cells`; neighbours may share one.
  struct Span {
    uint32_t from, to;
    float share;  // 1 / (to - from)
  };
  static Span span(uint32_t i, uint32_t cells, uint32_t n);

  uint32_t asked_;
  uint32_t next_ = 0;  // first output row not yet made
  uint32_t cell_ = 1;  // side of a cell that is averaged, px: a Bayer quad or a pixel
  bool nearest_ = false;
  std::vector<Span> columns_;
  std::vector<uint16_t> bytes_[4];  // column sums: of a quad by row phase and column phase, of pixels as they lie in bytes_[0]
  std::vector<uint32_t> sums_[3];   // column sums of red, green, blue
  std::vector<float> means_;        // one colour of one output row
  std::vector<uint8_t> planes_;     // one output row
};

}  // namespace verdictd
