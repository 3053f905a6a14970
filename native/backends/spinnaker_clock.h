// The camera's clock on the host's monotonic one.
#pragma once

#include <cstdint>

namespace verdictd::spin {

// Anchors are pairs (camera ns, host ms) taken by latching the camera's counter between two readings of the host's clock; an
// anchor is off by at most half the time between the two. Between anchors the camera's clock runs at the rate seen from the one
// before, bounded: two quartz clocks differ by tens of parts per million, more is a jump and not a rate.
class CameraClock {
 public:
  static constexpr double kMaxDrift = 200e-6;
  // A rate is only taken from anchors this far apart, ms: half a millisecond of doubt in 10 s is 50 ppm.
  static constexpr double kRateSpan = 10000;

  bool known() const { return anchored_; }
  void forget() { *this = CameraClock(); }

  // `before` and `after`: host ms around the latch that read `camera_ns`.
  void anchor(uint64_t camera_ns, double before, double after) {
    const double host = (before + after) / 2;
    const double doubt = (after - before) / 2;
    if (anchored_) {
      const double span = host - host_;
      const double run = difference(camera_ns, camera_) / 1e6;
      const bool steady = span >= kRateSpan && doubt + doubt_ <= span * kMaxDrift / 4;
      if (steady && run > 0) {
        const double drift = span / run - 1;
        rate_ = drift > kMaxDrift || drift < -kMaxDrift ? 1 : 1 + drift;
      }
    }
    anchored_ = true;
    camera_ = camera_ns;
    host_ = host;
    doubt_ = doubt;
  }

  // Host ms of a time stamp; call only when known().
  double host(uint64_t camera_ns) const { return host_ + difference(camera_ns, camera_) / 1e6 * rate_; }
  double rate() const { return rate_; }
  double doubt() const { return doubt_; }

 private:
  static double difference(uint64_t a, uint64_t b) {
    return a >= b ? static_cast<double>(a - b) : -static_cast<double>(b - a);
  }

  bool anchored_ = false;
  uint64_t camera_ = 0;
  double host_ = 0;
  double doubt_ = 0;
  double rate_ = 1;
};

}  // namespace verdictd::spin
