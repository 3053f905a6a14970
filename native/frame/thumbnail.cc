#include "frame/thumbnail.h"

#include <algorithm>

#include "frame/kernels.h"

namespace verdictd {
namespace {

// So many bytes at the most are added up in 16 bits.
constexpr uint32_t kBlock = 257;

// Colour of the pixel of row phase y and column phase x (0 or 1): 0 red, 1 green, 2 blue.
int colour_at(PixelFormat format, uint32_t y, uint32_t x) {
  static constexpr int rggb[2][2] = {{0, 1}, {1, 2}};
  const uint32_t dy = format == PixelFormat::BayerGB8 || format == PixelFormat::BayerBG8 ? 1 : 0;
  const uint32_t dx = format == PixelFormat::BayerGR8 || format == PixelFormat::BayerBG8 ? 1 : 0;
  return rggb[(y + dy) % 2][(x + dx) % 2];
}

// Bilinear demosaic of one pixel; the border takes the colour of its inner neighbour.
void demosaic(const ImageView& image, uint32_t y, uint32_t x, uint8_t* rgb) {
  y = std::clamp(y, 1U, image.height - 2);
  x = std::clamp(x, 1U, image.width - 2);
  uint32_t sum[3] = {0, 0, 0};
  uint32_t n[3] = {0, 0, 0};
  const int own = colour_at(image.format, y % 2, x % 2);
  for (uint32_t v = y - 1; v <= y + 1; v++) {
    for (uint32_t u = x - 1; u <= x + 1; u++) {
      const int colour = colour_at(image.format, v % 2, u % 2);
      if (colour == own && (v != y || u != x)) continue;
      sum[colour] += image.row(v)[u];
      n[colour]++;
    }
  }
  for (int c = 0; c < 3; c++) rgb[c] = static_cast<uint8_t>((sum[c] + n[c] / 2) / n[c]);
}

}  // namespace

ThumbnailPass::Span ThumbnailPass::span(uint32_t i, uint32_t cells, uint32_t n) {
  const uint64_t all = cells;
  const auto from = static_cast<uint32_t>(i * all / n);
  const auto to = static_cast<uint32_t>(((i + 1) * all + n - 1) / n);
  return {from, to, 1.0F / static_cast<float>(to - from)};
}

void ThumbnailPass::begin(const ImageView& image, Picture& picture) {
  next_ = 0;
  const bool bayer = is_bayer(image.format);
  const uint32_t width = std::min(asked_, image.width);
  nearest_ = bayer && 2 * width > image.width;
  cell_ = bayer && !nearest_ ? 2 : 1;
  const uint64_t height = (static_cast<uint64_t>(image.height) * width + image.width / 2) / image.width;
  picture.width = width;
  picture.height = static_cast<uint32_t>(std::clamp<uint64_t>(height, 1, image.height / cell_));
  picture.rgb.resize(static_cast<size_t>(picture.width) * picture.height * 3);
  columns_.resize(width);
  means_.resize(width);
  planes_.resize(static_cast<size_t>(width) * 3);
  for (uint32_t x = 0; x < width; x++) columns_[x] = span(x, image.width / cell_, width);
}

void ThumbnailPass::advance(const ImageView& image, uint32_t rows, Picture& picture) {
  for (; next_ < picture.height; next_++) {
    // A demosaiced pixel looks one row further.
    const uint32_t needed = span(next_, image.height / cell_, picture.height).to * cell_ + (nearest_ ? 1 : 0);
    if (std::min(needed, image.height) > rows) return;
    if (nearest_) {
      nearest(image, picture);
    } else {
      box(image, picture);
    }
  }
}

void ThumbnailPass::nearest(const ImageView& image, Picture& picture) {
  const auto middle = [](uint32_t i, uint32_t size, uint32_t n) { return static_cast<uint32_t>((2ULL * i + 1) * size / (2ULL * n)); };
  const uint32_t y = middle(next_, image.height, picture.height);
  uint8_t* to = &picture.rgb[static_cast<size_t>(next_) * picture.width * 3];
  for (uint32_t x = 0; x < picture.width; x++, to += 3) demosaic(image, y, middle(x, image.width, picture.width), to);
}

// Of quad rows [begin, end), which may be more than 16 bits hold: in blocks.
void ThumbnailPass::sum_quads(const ImageView& image, uint32_t begin, uint32_t end) {
  const uint32_t pairs = image.width / 2;
  for (std::vector<uint32_t>& sum : sums_) sum.assign(pairs, 0);
  for (uint32_t from = begin, to = 0; from < end; from = to) {
    to = std::min(end, from + kBlock);
    for (std::vector<uint16_t>& sum : bytes_) sum.assign(pairs, 0);
    for (uint32_t y = 2 * from; y < 2 * to; y++) {
      kernels().add_columns(image.row(y), pairs, bytes_[2 * (y % 2)].data(), bytes_[2 * (y % 2) + 1].data());
    }
    for (uint32_t p = 0; p < 4; p++) {
      uint32_t* sum = sums_[colour_at(image.format, p / 2, p % 2)].data();
      const uint16_t* more = bytes_[p].data();
      for (uint32_t x = 0; x < pairs; x++) sum[x] += more[x];
    }
  }
  // Two greens to a quad.
  for (uint32_t x = 0; x < pairs; x++) sums_[1][x] = (sums_[1][x] + 1) / 2;
}

void ThumbnailPass::sum_pixels(const ImageView& image, uint32_t begin, uint32_t end) {
  const uint32_t channels = bytes_per_pixel(image.format);
  std::vector<uint16_t>& bytes = bytes_[0];
  for (std::vector<uint32_t>& sum : sums_) sum.assign(image.width, 0);
  for (uint32_t from = begin, to = 0; from < end; from = to) {
    to = std::min(end, from + kBlock);
    bytes.assign(image.row_bytes(), 0);
    for (uint32_t y = from; y < to; y++) kernels().add_bytes(image.row(y), static_cast<uint32_t>(image.row_bytes()), bytes.data());
    for (uint32_t c = 0; c < 3; c++) {
      const uint32_t first = channels == 1 ? 0 : (image.format == PixelFormat::BGR8 ? 2 - c : c);
      for (uint32_t x = 0; x < image.width; x++) sums_[c][x] += bytes[static_cast<size_t>(x) * channels + first];
    }
  }
}

void ThumbnailPass::box(const ImageView& image, Picture& picture) {
  const Span rows = span(next_, image.height / cell_, picture.height);
  if (cell_ == 2) {
    sum_quads(image, rows.from, rows.to);
  } else {
    sum_pixels(image, rows.from, rows.to);
  }
  const size_t width = picture.width;
  const float per_row = 1.0F / static_cast<float>(rows.to - rows.from);
  for (uint32_t c = 0; c < 3; c++) {
    const uint32_t* sums = sums_[c].data();
    float* mean = means_.data();
    uint8_t* to = planes_.data() + c * width;
    // The usual camera: every output is two cells wide. Worth loops of its own, which the compiler vectorises.
    if (image.width / cell_ == 2 * width) {
      const float share = per_row / 2;
      for (size_t x = 0; x < width; x++) mean[x] = static_cast<float>(static_cast<int32_t>(sums[2 * x] + sums[2 * x + 1])) * share;
    } else {
      for (size_t x = 0; x < width; x++) {
        uint32_t sum = 0;
        for (uint32_t u = columns_[x].from; u < columns_[x].to; u++) sum += sums[u];
        mean[x] = static_cast<float>(static_cast<int32_t>(sum)) * columns_[x].share * per_row;
      }
    }
    for (size_t x = 0; x < width; x++) to[x] = static_cast<uint8_t>(static_cast<int32_t>(mean[x] + 0.5F));
  }
  const uint8_t* from = planes_.data();
  uint8_t* to = &picture.rgb[static_cast<size_t>(next_) * width * 3];
  for (size_t x = 0; x < width; x++, to += 3) {
    to[0] = from[x];
    to[1] = from[x + width];
    to[2] = from[x + 2 * width];
  }
}

}  // namespace verdictd
