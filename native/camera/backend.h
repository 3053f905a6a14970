// What a camera library has to offer. One native thread (camera/thread.h) makes every call, so a backend needs no locks but for
// what it shares with others on its own account. Order, retry and back-off of features are TypeScript's; a backend opens, moves
// buffers and returns codes. Nothing here knows Node-API or the header of any camera library.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "frame/image.h"

namespace verdictd {

// A failed call: `cause` is one of the words of src/camera/stream.ts ("lost", "timeout", "refused" ...), `number` the library's
// own error number (0: none), the text a sentence.
class BackendError : public std::runtime_error {
 public:
  BackendError(std::string error_cause, const std::string& detail, int64_t error_number = 0)
      : std::runtime_error(detail), cause(std::move(error_cause)), number(error_number) {}
  std::string cause;
  int64_t number;
};

struct DeviceInfo {
  std::string vendor;
  std::string model;
  std::string serial;
  std::string library;  // name and version of the library behind it
};

// A camera that is there, opened or not. Empty: not known.
struct DeviceEntry {
  std::string vendor;
  std::string model;
  std::string serial;
  std::string speed;     // SFNC-like word of the transport layer: "SuperSpeed" for USB 3
  std::string access;    // "ReadWrite", "Busy" ...
  std::string location;
};
struct DeviceList {
  std::string library;  // the file it came from
  std::string version;
  std::vector<DeviceEntry> devices;
};

// A GenICam feature by its SFNC name. Enumerations are their symbolic text.
using FeatureValue = std::variant<bool, int64_t, double, std::string>;
struct Feature {
  FeatureValue value;
  std::string unit;
  bool writable = false;
  std::optional<double> min;
  std::optional<double> max;
  std::optional<double> increment;
  std::vector<std::string> entries;  // of an enumeration, those available now
};

// What the camera itself wrote into the frame.
struct Chunk {
  std::optional<double> frame_id;
  std::optional<double> timestamp;      // ns, the camera's clock
  std::optional<double> exposure_time;  // us
  std::optional<double> gain;           // dB
};

// One exposure as the library holds it. The picture stays valid until release().
struct RawFrame {
  ImageView image;
  uint64_t frame_id = 0;
  uint64_t camera_ns = 0;   // the camera's own clock, 0: unknown
  double exposed = 0;       // ms on the monotonic clock, end of exposure
  uint64_t tag = 0;         // frames from memory: the caller's number, 0: none
  void* handle = nullptr;   // the backend's own
  std::optional<Chunk> chunk;
};

// An exposure that is no picture (incomplete, wrong size ...).
struct RawFault {
  std::string cause;
  std::string detail;
  uint64_t tag = 0;
  std::optional<uint64_t> frame_id = std::nullopt;  // where the camera gave it a number
};
struct Nothing {};    // none within the timeout: not a fault by itself
struct EndOfFrames {};  // there will be no more until the next start
using Taken = std::variant<Nothing, RawFrame, RawFault, EndOfFrames>;

struct BackendHealth {
  bool connected = false;
  std::optional<double> temperature;  // degrees Celsius
  std::map<std::string, double> values;  // counters and gauges by their SFNC name
};

class Backend {
 public:
  virtual ~Backend() = default;

  // Calls below throw BackendError when they fail. Before open() and after close() only list(), open() and close() are called.
  virtual DeviceList list() { throw BackendError("refused", "this backend has no list of cameras"); }
  virtual DeviceInfo open() = 0;
  // Names of the features that can be read now.
  virtual std::vector<std::string> features() { return {}; }
  virtual Feature get(const std::string& name) = 0;
  // Returns the feature read back: cameras round.
  virtual Feature set(const std::string& name, const FeatureValue& value) = 0;
  // A command feature (UserSetLoad, TimestampLatch ...); returns when the camera has done it.
  virtual void execute(const std::string& name) = 0;
  virtual void start() = 0;
  // The next exposure, in order. A RawFrame is given back by release(), always, before stop().
  virtual Taken next(std::chrono::milliseconds timeout) = 0;
  virtual void release(const RawFrame& frame) noexcept = 0;
  // Whether the camera would take a software trigger now. One that comes too early is ignored by cameras without a word.
  virtual bool ready() { return true; }
  // One software trigger.
  virtual void fire() = 0;
  // The discrete output that says "accept": energised or not. open(), stop() and close() leave it at rest.
  virtual void accept(bool on) {
    if (on) throw BackendError("refused", "this camera has no accept output");
  }
  // Asked about every second: reads the device, so that an idle camera is known to be alive.
  virtual BackendHealth health() = 0;
  // Both may be called at any time, also twice, also after a failure; they give back whatever is held.
  virtual void stop() noexcept = 0;
  virtual void close() noexcept = 0;

  // From any thread: a next() that is waiting returns soon. A library that cannot do this is asked with short timeouts.
  virtual void interrupt() noexcept {}
  // Longest time next() may be asked to wait: how late a command can be. Backends with interrupt() can afford more.
  virtual std::chrono::milliseconds patience() const { return std::chrono::milliseconds(5); }
  // True where a frame can wait for a free slot (pictures from memory, a camera that keeps every frame in order); elsewhere it
  // would go stale, and is a counted fault.
  virtual bool can_wait() const { return false; }
  // True for a sensor: no two frames of it are equal, and its numbers tell of frames that were lost.
  virtual bool live() const { return false; }
};

}  // namespace verdictd
