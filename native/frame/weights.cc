#include "frame/weights.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace verdictd {
namespace {

constexpr double kSupport = 2.0;
constexpr int kFixedBits = 22;
constexpr int kSplitBits = 11;
constexpr int kFoldedBits = 15;

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

constexpr uint32_t round_up(uint32_t n, uint32_t step) { return (n + step - 1) / step * step; }

// Rounds weights to 15 bits so that they still add up to 1: what rounding lost goes to the largest of them.
void quantise(const double* from, uint32_t n, int16_t* to) {
  constexpr int one = 1 << kFoldedBits;
  int sum = 0;
  uint32_t largest = 0;
  for (uint32_t k = 0; k < n; k++) {
    const int w = static_cast<int>(std::lround(from[k] * one));
    to[k] = static_cast<int16_t>(std::clamp(w, -one, one - 1));
    sum += to[k];
    if (from[k] > from[largest]) largest = k;
  }
  to[largest] = static_cast<int16_t>(std::clamp(to[largest] + one - sum, -one, one - 1));
}

}  // namespace

Axis bicubic_axis(uint32_t in, uint32_t out, uint32_t offset) {
  const double scale = static_cast<double>(in) / out;
  const double filter_scale = std::max(scale, 1.0);
  const double support = kSupport * filter_scale;
  const double per_pixel = 1.0 / filter_scale;
  Axis axis;
  axis.taps = static_cast<uint32_t>(std::ceil(support)) * 2 + 1;
  axis.first.resize(out);
  axis.count.resize(out);
  axis.weight.assign(static_cast<size_t>(out) * axis.taps, 0.0);
  for (uint32_t i = 0; i < out; i++) {
    const double center = (i + 0.5) * scale;
    const int first = std::max(static_cast<int>(center - support + 0.5), 0);
    const int last = std::min(static_cast<int>(center + support + 0.5), static_cast<int>(in));
    double* w = &axis.weight[static_cast<size_t>(i) * axis.taps];
    double sum = 0;
    for (int k = 0; k < last - first; k++) {
      w[k] = bicubic((k + first - center + 0.5) * per_pixel);
      sum += w[k];
    }
    for (int k = 0; k < last - first; k++) {
      if (sum != 0.0) w[k] /= sum;
    }
    axis.first[i] = static_cast<uint32_t>(first) + offset;
    axis.count[i] = static_cast<uint32_t>(last - first);
  }
  return axis;
}

FixedAxis fixed_axis(const Axis& axis) {
  const size_t out = axis.first.size();
  FixedAxis fixed;
  fixed.taps = round_up(axis.taps, 8);
  fixed.first = axis.first;
  fixed.count = axis.count;
  fixed.weight.assign(out * fixed.taps, 0);
  fixed.high.assign(out * fixed.taps, 0);
  fixed.low.assign(out * fixed.taps, 0);
  for (size_t i = 0; i < out; i++) {
    for (uint32_t k = 0; k < axis.count[i]; k++) {
      const double w = axis.weight[i * axis.taps + k] * (1 << kFixedBits);
      const auto rounded = static_cast<int32_t>(w < 0 ? w - 0.5 : w + 0.5);
      const size_t at = i * fixed.taps + k;
      fixed.weight[at] = rounded;
      fixed.high[at] = static_cast<int16_t>(rounded >> kSplitBits);
      fixed.low[at] = static_cast<int16_t>(rounded & ((1 << kSplitBits) - 1));
    }
  }
  return fixed;
}

FoldedAxis folded_axis(const Axis& axis, uint32_t lines) {
  const size_t out = axis.first.size();
  FoldedAxis folded;
  // A window of n lines reaches one line further on both sides and starts anywhere in a pair.
  folded.taps = round_up((axis.taps + 2) / 2 + 2, 8);
  folded.first.resize(out);
  folded.count.resize(out);
  folded.even.assign(out * folded.taps, 0);
  folded.odd.assign(out * folded.taps, 0);
  std::vector<double> even(folded.taps);
  std::vector<double> odd(folded.taps);
  for (size_t i = 0; i < out; i++) {
    std::fill(even.begin(), even.end(), 0.0);
    std::fill(odd.begin(), odd.end(), 0.0);
    const auto inner = [lines](uint32_t z) { return std::clamp(z, 1U, lines - 2); };
    const uint32_t first = (inner(axis.first[i]) - 1) / 2;
    const uint32_t last = (inner(axis.first[i] + axis.count[i] - 1) + 1) / 2;
    for (uint32_t k = 0; k < axis.count[i]; k++) {
      const double w = axis.weight[i * axis.taps + k];
      const uint32_t z = inner(axis.first[i] + k);
      std::vector<double>& own = z % 2 == 0 ? even : odd;
      std::vector<double>& other = z % 2 == 0 ? odd : even;
      own[z / 2 - first] += w;
      other[(z - 1) / 2 - first] += w / 2;
      other[(z + 1) / 2 - first] += w / 2;
    }
    folded.first[i] = first;
    folded.count[i] = last - first + 1;
    quantise(even.data(), folded.count[i], &folded.even[i * folded.taps]);
    quantise(odd.data(), folded.count[i], &folded.odd[i * folded.taps]);
  }
  return folded;
}

}  // namespace verdictd
