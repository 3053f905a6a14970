// Resize weights: Pillow's antialiased bicubic, plain and folded with the bilinear demosaic of a Bayer row or column.
#pragma once

#include <cstdint>
#include <vector>

namespace verdictd {

// Weights of one axis. Output i is the sum over k < count[i] of weight[i * taps + k] * input[first[i] + k].
struct Axis {
  uint32_t taps = 0;  // room per output; unused places are 0
  std::vector<uint32_t> first;
  std::vector<uint32_t> count;
  std::vector<double> weight;  // the sum over one output is 1
};

// Pillow's precompute_coeffs for BICUBIC (a = -0.5, support 2, widened by the scale when shrinking).
// `in` px are resized to `out` px; `offset` px are added to every index (a region of a larger picture).
Axis bicubic_axis(uint32_t in, uint32_t out, uint32_t offset);

// The same in Pillow's fixed point (22 fractional bits), each weight split for 16 bit multipliers:
// weight = high * 2^11 + low, 0 <= low < 2^11.
struct FixedAxis {
  uint32_t taps = 0;  // a multiple of 8; unused places are 0
  std::vector<uint32_t> first;
  std::vector<uint32_t> count;
  std::vector<int32_t> weight;
  std::vector<int16_t> high;
  std::vector<int16_t> low;
};
FixedAxis fixed_axis(const Axis& axis);

// Weights over pairs of Bayer lines (0 and 1, 2 and 3, ...): output i of the even phase is the sum over k < count[i] of
// even[i * taps + k] * line[2 * (first[i] + k)], of the odd phase the same over line[... + 1] with odd[]. 15 fractional bits.
struct FoldedAxis {
  uint32_t taps = 0;  // a multiple of 8; unused places are 0
  std::vector<uint32_t> first;
  std::vector<uint32_t> count;
  std::vector<int16_t> even;
  std::vector<int16_t> odd;
};

// Bilinear demosaic is linear: a missing line is half of each neighbour, a present one itself. So "demosaic, then resize" is
// one filter per phase, V[z] = W[z] + (W[z-1] + W[z+1]) / 2 on the lines of the phase. `lines` is the size of the whole
// frame: its outermost lines take the colour of their inner neighbours, as OpenCV's demosaic does.
FoldedAxis folded_axis(const Axis& axis, uint32_t lines);

}  // namespace verdictd
