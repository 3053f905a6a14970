#include "frame/preprocess.h"

#include "frame/bayer.h"
#include "frame/rgb.h"

namespace verdictd {

const char* refusal(const ImageView& image, const InputSpec& spec) {
  if (image.width == 0 || image.height == 0 || image.width > kMaxSide || image.height > kMaxSide) {
    return "a frame has 1 to 16384 pixels on each side";
  }
  if (is_bayer(image.format) && (image.width < kMinBayerSide || image.height < kMinBayerSide)) {
    return "a Bayer frame has at least 4 pixels on each side";
  }
  if (image.stride < image.row_bytes()) return "the stride is shorter than a row of pixels";
  const Region& region = spec.region;
  if (region.width != 0 && (region.height == 0 || region.x >= image.width || region.width > image.width - region.x ||
                            region.y >= image.height || region.height > image.height - region.y)) {
    return "the region does not lie inside the frame";
  }
  return "";
}

Preprocessor::Preprocessor(const InputSpec& spec, uint32_t thumbnail_width)
    : spec_(spec), planes_(static_cast<size_t>(spec.width) * 3), quality_(spec.width), thumbnail_(thumbnail_width) {
  for (size_t c = 0; c < 3; c++) {
    for (size_t v = 0; v < 256; v++) table_[c][v] = (static_cast<float>(v) / 255.0F - spec.mean[c]) / spec.std[c];
  }
}

void Preprocessor::adapt(const ImageView& image) {
  if (filter_ != nullptr && image.width == width_ && image.height == height_ && image.format == format_) return;
  const Region region = spec_.region.width == 0 ? Region{0, 0, image.width, image.height} : spec_.region;
  if (is_bayer(image.format)) {
    filter_ = std::make_unique<BayerFilter>(image.width, image.height, image.format, region, spec_.width, spec_.height);
  } else {
    filter_ = std::make_unique<PillowFilter>(image.width, image.format, region, spec_.width, spec_.height);
  }
  width_ = image.width;
  height_ = image.height;
  format_ = image.format;
}

Quality Preprocessor::run(const ImageView& image, const Outputs& out) {
  adapt(image);
  if (out.thumbnail != nullptr) thumbnail_.begin(image, *out.thumbnail);
  const size_t width = spec_.width;
  const size_t plane = width * spec_.height;
  for (uint32_t j = 0; j < spec_.height; j++) {
    filter_->row(image, j, planes_.data());
    for (size_t c = 0; c < 3; c++) {
      const uint8_t* from = &planes_[c * width];
      const float* value = table_[c].data();
      float* to = out.tensor + c * plane + j * width;
      for (size_t x = 0; x < width; x++) to[x] = value[from[x]];
    }
    if (out.resized != nullptr) {
      uint8_t* to = out.resized + j * width * 3;
      for (size_t x = 0; x < width; x++) {
        for (size_t c = 0; c < 3; c++) to[3 * x + c] = planes_[c * width + x];
      }
    }
    quality_.row(j, planes_.data());
    // The rows just read are still in the cache.
    if (out.thumbnail != nullptr) thumbnail_.advance(image, filter_->reached(j), *out.thumbnail);
  }
  if (out.thumbnail != nullptr) thumbnail_.advance(image, image.height, *out.thumbnail);
  return quality_.result(spec_.height);
}

}  // namespace verdictd
