#include "frame/fingerprint.h"

#include <cstring>

namespace verdictd {
namespace {

// Odd constants with about as many ones as zeros, one a lane, so that swapped words are seen.
constexpr uint64_t kPrimes[4] = {0x9E3779B185EBCA87ULL, 0xC2B2AE3D27D4EB4FULL, 0x165667B19E3779F9ULL, 0xD6E8FEB86659FD93ULL};

uint64_t word(const uint8_t* at) {
  uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// A bijection of the lane for each word: a single changed bit always changes the end.
uint64_t mix(uint64_t lane, uint64_t value, uint64_t prime) {
  lane = (lane ^ value) * prime;
  return lane ^ (lane >> 29);
}

}  // namespace

uint64_t fingerprint(const ImageView& image) {
  uint64_t lanes[4] = {kPrimes[1], kPrimes[2], kPrimes[3], kPrimes[0]};
  const size_t row_bytes = image.row_bytes();
  for (uint32_t y = 0; y < image.height; y++) {
    const uint8_t* row = image.row(y);
    size_t x = 0;
    for (; x + 32 <= row_bytes; x += 32) {
      for (int i = 0; i < 4; i++) lanes[i] = mix(lanes[i], word(row + x + 8 * i), kPrimes[i]);
    }
    for (; x < row_bytes; x++) lanes[0] = mix(lanes[0], row[x], kPrimes[0]);
  }
  uint64_t out = (static_cast<uint64_t>(image.width) << 32) ^ image.height;
  for (int i = 0; i < 4; i++) out = mix(out, lanes[i], kPrimes[i]);
  return out;
}

}  // namespace verdictd
