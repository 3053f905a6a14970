// What a picture in memory is, before any library of ours or anyone's has touched it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace verdictd {

// Spelled as in the GenICam Pixel Format Naming Convention; the order is that of the table in image_names.
enum class PixelFormat : uint8_t { BayerRG8, BayerGB8, BayerGR8, BayerBG8, RGB8, BGR8, Mono8 };

constexpr std::array<std::string_view, 7> kPixelFormatNames = {"BayerRG8", "BayerGB8", "BayerGR8", "BayerBG8",
                                                                "RGB8",     "BGR8",     "Mono8"};

constexpr std::string_view name_of(PixelFormat format) { return kPixelFormatNames[static_cast<size_t>(format)]; }

inline std::optional<PixelFormat> pixel_format_of(std::string_view name) {
  for (size_t i = 0; i < kPixelFormatNames.size(); i++) {
    if (kPixelFormatNames[i] == name) return static_cast<PixelFormat>(i);
  }
  return std::nullopt;
}

constexpr bool is_bayer(PixelFormat format) { return format <= PixelFormat::BayerBG8; }
constexpr uint32_t bytes_per_pixel(PixelFormat format) {
  return format == PixelFormat::RGB8 || format == PixelFormat::BGR8 ? 3 : 1;
}

// Largest side, px, of a frame and of a tensor: keeps every product below inside 32 bits.
constexpr uint32_t kMaxSide = 16384;
constexpr uint32_t kMaxTensorSide = 4096;
// Smallest side, px, of a Bayer frame: the colour of a border pixel comes from its inner neighbour.
constexpr uint32_t kMinBayerSide = 4;

// A picture somebody else owns. `stride` is in bytes; rows may be padded.
struct ImageView {
  uint32_t width = 0;
  uint32_t height = 0;
  size_t stride = 0;
  PixelFormat format = PixelFormat::Mono8;
  const uint8_t* data = nullptr;

  const uint8_t* row(uint32_t y) const { return data + y * stride; }
  size_t row_bytes() const { return static_cast<size_t>(width) * bytes_per_pixel(format); }
};

// Part of the frame that the model sees, px. Width 0: all of it.
struct Region {
  uint32_t x = 0;
  uint32_t y = 0;
  uint32_t width = 0;
  uint32_t height = 0;
};

// How a picture becomes the model's input. Mean and std are RGB, of values 0..1.
struct InputSpec {
  uint32_t width = 0;
  uint32_t height = 0;
  std::array<float, 3> mean{};
  std::array<float, 3> std{};
  Region region;
};

// Figures of the picture on the model's 8 bit grid; units as in src/ports.ts.
struct Quality {
  double mean = 0;
  double dark = 0;
  double bright = 0;
  double sharpness = 0;
};

}  // namespace verdictd
