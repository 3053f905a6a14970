// The inner loops, in integers only: the same bits on every machine. Plain C++ that the compiler vectorises, built once for
// the base instruction set (SSE2, NEON) and on x86-64 once more for AVX2, chosen when first used.
#pragma once

#include <cstddef>
#include <cstdint>

namespace verdictd {

struct Kernels {
  // Vertical pass over n raw Bayer rows of one phase. For each of `pairs` column pairs: the sum over rows of weight (15 bits)
  // times (pixel - 128), in units of 1/128; even columns to `even`, odd columns to `odd`.
  void (*bayer_vertical)(const uint8_t* const* rows, const int16_t* weight, uint32_t n, uint32_t pairs, int16_t* even, int16_t* odd);

  // Horizontal pass over the four planes of the vertical one, in the order red, blue, and green of either row phase; weight[i]
  // belongs to plane[i] and has `taps` (a multiple of 8) places per output. Writes `out` values of 0..255 per colour; the two
  // greens are averaged.
  void (*bayer_horizontal)(const int16_t* const plane[4], const int16_t* const weight[4], const uint32_t* first, uint32_t taps,
                           uint32_t out, uint8_t* red, uint8_t* green, uint8_t* blue);

  // Pillow's horizontal pass of one plane of a row: 8 bit values in 16 bit lanes, `taps` (a multiple of 8) zeros behind the end.
  void (*pillow_horizontal)(const int16_t* source, const uint32_t* first, const int16_t* high, const int16_t* low, uint32_t taps,
                            uint32_t out, uint8_t* to);

  // Pillow's vertical pass over n rows, for `width` bytes.
  void (*pillow_vertical)(const uint8_t* const* rows, const int32_t* weight, uint32_t n, uint32_t width, uint8_t* to);

  // Splits `width` interleaved RGB pixels into planes of 16 bit lanes.
  void (*split)(const uint8_t* rgb, uint32_t width, int16_t* red, int16_t* green, int16_t* blue);

  // Adds `pairs` column pairs of a row to sums: even columns to `even`, odd columns to `odd`.
  void (*add_columns)(const uint8_t* row, uint32_t pairs, uint16_t* even, uint16_t* odd);

  // Adds n bytes of a row to sums.
  void (*add_bytes)(const uint8_t* row, uint32_t n, uint16_t* sum);
};

// The fastest set this machine runs.
const Kernels& kernels();

}  // namespace verdictd
