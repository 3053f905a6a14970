#include "frame/kernels.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#if defined(__x86_64__)
#define VERDICTD_AVX2 1
#endif

#define ALWAYS_INLINE [[gnu::always_inline]] inline

// Of a loop over a constant few rows inside the one that is to be vectorised; clang does so by itself.
#if defined(__clang__)
#define UNROLL
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

namespace verdictd {
namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a column pair is read as one little-endian 16 bit word");

// A column pair of a raw row, at any address.
using Pair = uint16_t __attribute__((may_alias, aligned(1)));

// (a * b) >> 16 as the machine's "multiply, keep the high half" (pmulhw; smull and shrn). It rounds down: the mean loss of
// half a unit a product is put back by the caller.
ALWAYS_INLINE int16_t high_product(int16_t a, int16_t b) { return static_cast<int16_t>((static_cast<int32_t>(a) * b) >> 16); }

constexpr uint32_t kTile = 256;

// N rows in one sweep over a tile of columns. N is a constant so that the loop over x is the one that gets vectorised; the sums
// are local so that no row can alias them.
template <uint32_t N>
ALWAYS_INLINE void vertical_tile(const Pair* const (&row)[N], const int16_t (&w)[N], uint32_t size, int16_t (&even)[kTile],
                                 int16_t (&odd)[kTile]) {
  for (uint32_t x = 0; x < size; x++) {
    int16_t e = 0;
    int16_t o = 0;
    UNROLL
    for (uint32_t k = 0; k < N; k++) {
      const uint16_t pair = static_cast<uint16_t>(row[k][x] ^ 0x8080U);  // both pixels minus 128, as signed bytes
      const auto left = static_cast<int16_t>(static_cast<uint16_t>(pair << 8));
      const auto right = static_cast<int16_t>(pair & 0xFF00U);
      e = static_cast<int16_t>(e + high_product(left, w[k]));
      o = static_cast<int16_t>(o + high_product(right, w[k]));
    }
    even[x] = e;
    odd[x] = o;
  }
}

ALWAYS_INLINE void store(const int16_t (&sum)[kTile], int16_t rounding, uint32_t size, bool add, int16_t* to) {
  if (add) {
    for (uint32_t x = 0; x < size; x++) to[x] = static_cast<int16_t>(to[x] + sum[x] + rounding);
  } else {
    for (uint32_t x = 0; x < size; x++) to[x] = static_cast<int16_t>(sum[x] + rounding);
  }
}

template <uint32_t N>
ALWAYS_INLINE void vertical_block(const uint8_t* const* rows, const int16_t* weight, uint32_t pairs, bool add, int16_t* even,
                                  int16_t* odd) {
  constexpr int16_t rounding = N / 2;
  int16_t w[N];
  for (uint32_t k = 0; k < N; k++) w[k] = weight[k];
  int16_t e[kTile];
  int16_t o[kTile];
  for (uint32_t begin = 0; begin < pairs; begin += kTile) {
    const uint32_t size = std::min(kTile, pairs - begin);
    const Pair* row[N];
    for (uint32_t k = 0; k < N; k++) row[k] = reinterpret_cast<const Pair*>(rows[k]) + begin;
    vertical_tile<N>(row, w, size, e, o);
    store(e, rounding, size, add, even + begin);
    store(o, rounding, size, add, odd + begin);
  }
}

template <uint32_t N>
ALWAYS_INLINE void vertical_last(const uint8_t* const* rows, const int16_t* weight, uint32_t n, uint32_t pairs, bool add, int16_t* even,
                                 int16_t* odd) {
  if constexpr (N > 0) {
    if (n == N) {
      vertical_block<N>(rows, weight, pairs, add, even, odd);
    } else {
      vertical_last<N - 1>(rows, weight, n, pairs, add, even, odd);
    }
  }
}

constexpr uint32_t kRowsAtOnce = 12;

ALWAYS_INLINE void bayer_vertical(const uint8_t* const* rows, const int16_t* weight, uint32_t n, uint32_t pairs, int16_t* even,
                                  int16_t* odd) {
  bool add = false;
  for (; n > kRowsAtOnce; n -= kRowsAtOnce / 2, rows += kRowsAtOnce / 2, weight += kRowsAtOnce / 2, add = true) {
    vertical_block<kRowsAtOnce / 2>(rows, weight, pairs, add, even, odd);
  }
  vertical_last<kRowsAtOnce>(rows, weight, n, pairs, add, even, odd);
}

template <uint32_t Taps>
ALWAYS_INLINE int32_t dot(const int16_t* __restrict a, const int16_t* __restrict w) {
  int32_t sum = 0;
  for (uint32_t k = 0; k < Taps; k++) sum += static_cast<int32_t>(a[k]) * w[k];
  return sum;
}

ALWAYS_INLINE int32_t dot_of(const int16_t* a, const int16_t* w, uint32_t taps) {
  int32_t sum = 0;
  for (uint32_t k = 0; k < taps; k += 8) sum += dot<8>(a + k, w + k);
  return sum;
}

ALWAYS_INLINE uint8_t clip8(int32_t v) { return static_cast<uint8_t>(std::clamp(v, 0, 255)); }

// Sums are relative to 128, in units of 2^-Bits.
template <int Bits>
ALWAYS_INLINE void to_pixels(const int32_t* sum, uint32_t n, uint8_t* to) {
  for (uint32_t x = 0; x < n; x++) to[x] = clip8(((sum[x] + (1 << (Bits - 1))) >> Bits) + 128);
}

// A plane of the vertical pass stays below 128 * 128 * 1.3 and the weights of one output below 1.3 in total (the overshoot of a
// bicubic): one sum takes at most 0.91e9, the two of green together fit into 31 bits.
template <uint32_t Taps>
ALWAYS_INLINE void horizontal_of(const int16_t* const plane[4], const int16_t* const weight[4], const uint32_t* first, uint32_t taps,
                                 uint32_t out, uint8_t* red, uint8_t* green, uint8_t* blue) {
  const uint32_t n = Taps > 0 ? Taps : taps;
  const auto sum = [&](int i, uint32_t x) {
    const int16_t* a = plane[i] + first[x];
    const int16_t* w = weight[i] + static_cast<size_t>(x) * n;
    if constexpr (Taps > 0) return dot<Taps>(a, w);
    return dot_of(a, w, taps);
  };
  int32_t r[kTile];
  int32_t g[kTile];
  int32_t b[kTile];
  for (uint32_t begin = 0; begin < out; begin += kTile) {
    const uint32_t size = std::min(kTile, out - begin);
    for (uint32_t x = 0; x < size; x++) {
      r[x] = sum(0, begin + x);
      b[x] = sum(1, begin + x);
      g[x] = sum(2, begin + x) + sum(3, begin + x);
    }
    to_pixels<22>(r, size, red + begin);
    to_pixels<23>(g, size, green + begin);
    to_pixels<22>(b, size, blue + begin);
  }
}

ALWAYS_INLINE void bayer_horizontal(const int16_t* const plane[4], const int16_t* const weight[4], const uint32_t* first, uint32_t taps,
                                    uint32_t out, uint8_t* red, uint8_t* green, uint8_t* blue) {
  switch (taps) {
    case 8:
      return horizontal_of<8>(plane, weight, first, taps, out, red, green, blue);
    case 16:
      return horizontal_of<16>(plane, weight, first, taps, out, red, green, blue);
    case 24:
      return horizontal_of<24>(plane, weight, first, taps, out, red, green, blue);
    default:
      return horizontal_of<0>(plane, weight, first, taps, out, red, green, blue);
  }
}

// Pillow's clip8((sum + 2^21) >> 22) with the 22 bit weights split as in FixedAxis: the sum is exact in 32 bits.
template <uint32_t Taps>
ALWAYS_INLINE void pillow_horizontal_of(const int16_t* source, const uint32_t* first, const int16_t* high, const int16_t* low,
                                        uint32_t taps, uint32_t out, uint8_t* to) {
  int32_t sum[kTile];
  for (uint32_t begin = 0; begin < out; begin += kTile) {
    const uint32_t size = std::min(kTile, out - begin);
    for (uint32_t x = 0; x < size; x++) {
      const int16_t* a = source + first[begin + x];
      const size_t at = static_cast<size_t>(begin + x) * (Taps > 0 ? Taps : taps);
      if constexpr (Taps > 0) {
        sum[x] = dot<Taps>(a, high + at) * 2048 + dot<Taps>(a, low + at);
      } else {
        sum[x] = dot_of(a, high + at, taps) * 2048 + dot_of(a, low + at, taps);
      }
    }
    for (uint32_t x = 0; x < size; x++) to[begin + x] = clip8((sum[x] + (1 << 21)) >> 22);
  }
}

ALWAYS_INLINE void pillow_horizontal(const int16_t* source, const uint32_t* first, const int16_t* high, const int16_t* low, uint32_t taps,
                                     uint32_t out, uint8_t* to) {
  switch (taps) {
    case 8:
      return pillow_horizontal_of<8>(source, first, high, low, taps, out, to);
    case 16:
      return pillow_horizontal_of<16>(source, first, high, low, taps, out, to);
    case 24:
      return pillow_horizontal_of<24>(source, first, high, low, taps, out, to);
    case 32:
      return pillow_horizontal_of<32>(source, first, high, low, taps, out, to);
    case 40:
      return pillow_horizontal_of<40>(source, first, high, low, taps, out, to);
    default:
      return pillow_horizontal_of<0>(source, first, high, low, taps, out, to);
  }
}

ALWAYS_INLINE void pillow_vertical(const uint8_t* const* rows, const int32_t* weight, uint32_t n, uint32_t width, uint8_t* __restrict to) {
  int32_t sum[kTile];
  for (uint32_t begin = 0; begin < width; begin += kTile) {
    const uint32_t size = std::min(kTile, width - begin);
    for (uint32_t x = 0; x < size; x++) sum[x] = 1 << 21;
    for (uint32_t k = 0; k < n; k++) {
      const uint8_t* row = rows[k] + begin;
      const int32_t w = weight[k];
      for (uint32_t x = 0; x < size; x++) sum[x] += row[x] * w;
    }
    for (uint32_t x = 0; x < size; x++) to[begin + x] = clip8(sum[x] >> 22);
  }
}

ALWAYS_INLINE void split(const uint8_t* __restrict rgb, uint32_t width, int16_t* __restrict red, int16_t* __restrict green,
                         int16_t* __restrict blue) {
  for (uint32_t x = 0; x < width; x++) {
    red[x] = rgb[3 * x];
    green[x] = rgb[3 * x + 1];
    blue[x] = rgb[3 * x + 2];
  }
}

ALWAYS_INLINE void add_columns(const uint8_t* row, uint32_t pairs, uint16_t* __restrict even, uint16_t* __restrict odd) {
  const Pair* pair = reinterpret_cast<const Pair*>(row);
  for (uint32_t x = 0; x < pairs; x++) {
    even[x] = static_cast<uint16_t>(even[x] + (pair[x] & 0xFFU));
    odd[x] = static_cast<uint16_t>(odd[x] + (pair[x] >> 8));
  }
}

ALWAYS_INLINE void add_bytes(const uint8_t* __restrict row, uint32_t n, uint16_t* __restrict sum) {
  for (uint32_t x = 0; x < n; x++) sum[x] = static_cast<uint16_t>(sum[x] + row[x]);
}

// One set of the functions above, compiled for one instruction set.
#define VERDICTD_KERNELS(NAME, TARGET)                                                                                              \
  namespace NAME {                                                                                                                  \
  TARGET void v(const uint8_t* const* r, const int16_t* w, uint32_t n, uint32_t p, int16_t* e, int16_t* o) {                         \
    bayer_vertical(r, w, n, p, e, o);                                                                                               \
  }                                                                                                                                 \
  TARGET void h(const int16_t* const p[4], const int16_t* const w[4], const uint32_t* f, uint32_t t, uint32_t n, uint8_t* r,         \
                uint8_t* g, uint8_t* b) {                                                                                           \
    bayer_horizontal(p, w, f, t, n, r, g, b);                                                                                       \
  }                                                                                                                                 \
  TARGET void ph(const int16_t* s, const uint32_t* f, const int16_t* hi, const int16_t* lo, uint32_t t, uint32_t n, uint8_t* to) {   \
    pillow_horizontal(s, f, hi, lo, t, n, to);                                                                                      \
  }                                                                                                                                 \
  TARGET void pv(const uint8_t* const* r, const int32_t* w, uint32_t n, uint32_t width, uint8_t* to) {                               \
    pillow_vertical(r, w, n, width, to);                                                                                            \
  }                                                                                                                                 \
  TARGET void s(const uint8_t* rgb, uint32_t n, int16_t* r, int16_t* g, int16_t* b) { split(rgb, n, r, g, b); }                      \
  TARGET void a(const uint8_t* r, uint32_t p, uint16_t* e, uint16_t* o) { add_columns(r, p, e, o); }                                 \
  TARGET void b(const uint8_t* r, uint32_t n, uint16_t* to) { add_bytes(r, n, to); }                                                 \
  constexpr Kernels set = {v, h, ph, pv, s, a, b};                                                                                     \
  }

VERDICTD_KERNELS(base, )
#if VERDICTD_AVX2
VERDICTD_KERNELS(avx2, [[gnu::target("avx2")]])
#endif

// VERDICTD_KERNELS=base holds it to the base instruction set: for the bench, and for a test that both give the same bits.
const Kernels& choose() {
  const char* asked = std::getenv("VERDICTD_KERNELS");
  if (asked != nullptr && std::strcmp(asked, "base") == 0) return base::set;
#if VERDICTD_AVX2
  if (__builtin_cpu_supports("avx2") != 0) return avx2::set;
#endif
  return base::set;
}

}  // namespace

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

}  // namespace verdictd
