// From a raw frame to the model's input in one streaming pass: tensor, quality figures, thumbnail.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "frame/image.h"
#include "frame/quality.h"
#include "frame/row_filter.h"
#include "frame/thumbnail.h"

namespace verdictd {

// Why this picture cannot be preprocessed, as a sentence; empty when it can.
const char* refusal(const ImageView& image, const InputSpec& spec);

// Where the results go. Only `tensor` (float32 [3, height, width], RGB) must be given.
struct Outputs {
  float* tensor = nullptr;
  Picture* thumbnail = nullptr;
  uint8_t* resized = nullptr;  // the 8 bit grid, interleaved RGB
};

// Keeps the weights of the last geometry: a camera's frames all have the same. One thread at a time.
class Preprocessor {
 public:
  Preprocessor(const InputSpec& spec, uint32_t thumbnail_width);

  // `image` must not be refused (see above).
  Quality run(const ImageView& image, const Outputs& out);

 private:
  void adapt(const ImageView& image);

  InputSpec spec_;
  // Value of each of the 256 steps in the order of operations that torchvision's ToTensor and Normalize have.
  std::array<std::array<float, 256>, 3> table_;
  std::vector<uint8_t> planes_;
  QualityMeter quality_;
  ThumbnailPass thumbnail_;
  std::unique_ptr<RowFilter> filter_;
  uint32_t width_ = 0;
  uint32_t height_ = 0;
  PixelFormat format_ = PixelFormat::Mono8;
};

}  // namespace verdictd
