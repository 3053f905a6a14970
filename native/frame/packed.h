// A copy of a picture out of memory that somebody else may change, move or let go of.
#pragma once

#include <cstring>
#include <utility>
#include <vector>

#include "frame/image.h"

namespace verdictd {

// The rows of `image` without their padding: height x row_bytes() bytes. `memory`: of an earlier copy, to be used again; fresh pages
// cost more than the copy itself.
inline std::vector<uint8_t> packed(const ImageView& image, std::vector<uint8_t> memory = {}) {
  const size_t row = image.row_bytes();
  memory.resize(row * image.height);
  for (uint32_t y = 0; y < image.height; y++) std::memcpy(memory.data() + y * row, image.row(y), row);
  return memory;
}

// The same picture over the memory that packed() gave.
inline ImageView view_of(const ImageView& image, const std::vector<uint8_t>& memory) {
  ImageView view = image;
  view.data = memory.data();
  view.stride = image.row_bytes();
  return view;
}

}  // namespace verdictd
