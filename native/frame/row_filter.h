// Turns a picture into rows of the model's 8 bit grid, one output row after another.
#pragma once

#include <cstdint>

#include "frame/image.h"

namespace verdictd {

class RowFilter {
 public:
  virtual ~RowFilter() = default;
  // Writes row j as three planes of the output width (red, green, blue), one behind the other. Rows are asked for in order.
  virtual void row(const ImageView& image, uint32_t j, uint8_t* planes) = 0;
  // Input rows below this index are no longer needed after row j: how far a streaming pass has come.
  virtual uint32_t reached(uint32_t j) const = 0;
};

}  // namespace verdictd
