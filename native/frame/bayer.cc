#include "frame/bayer.h"

#include <algorithm>

#include "frame/kernels.h"

namespace verdictd {

BayerFilter::Mosaic BayerFilter::mosaic_of(PixelFormat format) {
  switch (format) {
    case PixelFormat::BayerGR8:
      return {1, 2, {0, 3}};
    case PixelFormat::BayerGB8:
      return {2, 1, {0, 3}};
    case PixelFormat::BayerBG8:
      return {3, 0, {1, 2}};
    default:
      return {0, 3, {1, 2}};
  }
}

BayerFilter::BayerFilter(uint32_t width, uint32_t height, PixelFormat format, const Region& region, uint32_t out_width,
                         uint32_t out_height)
    : mosaic_(mosaic_of(format)),
      out_width_(out_width),
      rows_(folded_axis(bicubic_axis(region.height, out_height, region.y), height)),
      columns_(folded_axis(bicubic_axis(region.width, out_width, region.x), width)),
      lines_(rows_.taps) {
  // The horizontal pass reads whole blocks of taps: zeros behind the last pair.
  for (std::vector<int16_t>& plane : planes_) plane.assign((width + 1) / 2 + columns_.taps, 0);
}

void BayerFilter::vertical(const ImageView& image, uint32_t j, uint32_t phase) {
  const uint32_t n = rows_.count[j];
  const std::vector<int16_t>& weights = phase == 0 ? rows_.even : rows_.odd;
  const int16_t* weight = &weights[static_cast<size_t>(j) * rows_.taps];
  for (uint32_t k = 0; k < n; k++) {
    // An odd height has no last odd row; its weight is 0.
    lines_[k] = image.row(std::min(2 * (rows_.first[j] + k) + phase, image.height - 1));
  }
  std::vector<int16_t>& even = planes_[2 * phase];
  const uint32_t pairs = image.width / 2;
  kernels().bayer_vertical(lines_.data(), weight, n, pairs, even.data(), planes_[2 * phase + 1].data());
  if (image.width % 2 == 1) {
    // An odd width has no last odd column; its weight is 0.
    int32_t sum = 0;
    for (uint32_t k = 0; k < n; k++) sum += (lines_[k][image.width - 1] - 128) * weight[k];
    even[pairs] = static_cast<int16_t>(sum >> 8);
  }
}

void BayerFilter::row(const ImageView& image, uint32_t j, uint8_t* planes) {
  vertical(image, j, 0);
  vertical(image, j, 1);
  const std::array<uint8_t, 4> order = {mosaic_.red, mosaic_.blue, mosaic_.green[0], mosaic_.green[1]};
  const int16_t* plane[4];
  const int16_t* weight[4];
  for (size_t i = 0; i < order.size(); i++) {
    plane[i] = planes_[order[i]].data();
    weight[i] = order[i] % 2 == 0 ? columns_.even.data() : columns_.odd.data();
  }
  kernels().bayer_horizontal(plane, weight, columns_.first.data(), columns_.taps, out_width_, planes, planes + out_width_,
                             planes + 2 * static_cast<size_t>(out_width_));
}

uint32_t BayerFilter::reached(uint32_t j) const { return 2 * (rows_.first[j] + rows_.count[j]); }

}  // namespace verdictd
