#include "frame/rgb.h"

#include <algorithm>
#include <utility>

#include "frame/kernels.h"

namespace verdictd {

PillowFilter::PillowFilter(uint32_t width, PixelFormat format, const Region& region, uint32_t out_width, uint32_t out_height)
    : out_width_(out_width),
      channels_(bytes_per_pixel(format)),
      rows_(fixed_axis(bicubic_axis(region.height, out_height, region.y))),
      columns_(fixed_axis(bicubic_axis(region.width, out_width, region.x))),
      depth_(rows_.taps),
      row_bytes_(static_cast<size_t>(out_width) * channels_),
      window_(row_bytes_ * depth_),
      lines_(rows_.taps) {
  for (uint32_t c = 0; c < channels_; c++) planes_[c].assign(width + columns_.taps, 0);
}

void PillowFilter::horizontal(const ImageView& image, uint32_t y) {
  const uint8_t* from = image.row(y);
  if (channels_ == 1) {
    std::copy_n(from, image.width, planes_[0].begin());
  } else {
    const bool bgr = image.format == PixelFormat::BGR8;
    kernels().split(from, image.width, planes_[bgr ? 2 : 0].data(), planes_[1].data(), planes_[bgr ? 0 : 2].data());
  }
  for (uint32_t c = 0; c < channels_; c++) {
    kernels().pillow_horizontal(planes_[c].data(), columns_.first.data(), columns_.high.data(), columns_.low.data(), columns_.taps,
                                out_width_, resized(y) + static_cast<size_t>(c) * out_width_);
  }
}

void PillowFilter::row(const ImageView& image, uint32_t j, uint8_t* planes) {
  const uint32_t first = rows_.first[j];
  const uint32_t n = rows_.count[j];
  next_ = j == 0 ? first : std::max(next_, first);
  for (; next_ < first + n; next_++) horizontal(image, next_);
  for (uint32_t k = 0; k < n; k++) lines_[k] = resized(first + k);
  kernels().pillow_vertical(lines_.data(), &rows_.weight[static_cast<size_t>(j) * rows_.taps], n, static_cast<uint32_t>(row_bytes_),
                            planes);
  for (uint32_t c = channels_; c < 3; c++) std::copy_n(planes, out_width_, planes + static_cast<size_t>(c) * out_width_);
}

uint32_t PillowFilter::reached(uint32_t j) const { return rows_.first[j] + rows_.count[j]; }

}  // namespace verdictd
