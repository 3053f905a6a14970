#include "camera/snap.h"

#include <cstring>
#include <string>
#include <variant>

namespace verdictd {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Started, and stopped at the end of its scope.
class Streaming {
 public:
  explicit Streaming(Backend& backend) : backend_(backend) {}
  ~Streaming() { backend_.stop(); }
  Streaming(const Streaming&) = delete;
  Streaming& operator=(const Streaming&) = delete;
  void start() { backend_.start(); }

 private:
  Backend& backend_;
};

// The frame's buffer goes back whatever becomes of the copy.
class Taking {
 public:
  Taking(Backend& backend, const RawFrame& frame) : backend_(backend), frame_(frame) {}
  ~Taking() { backend_.release(frame_); }
  Taking(const Taking&) = delete;
  Taking& operator=(const Taking&) = delete;

  Snapshot copy() const {
    const ImageView& image = frame_.image;
    Snapshot out;
    out.width = image.width;
    out.height = image.height;
    out.format = image.format;
    out.frame_id = frame_.frame_id;
    out.exposed = frame_.exposed;
    out.chunk = frame_.chunk;
    const size_t row = image.row_bytes();
    out.data.resize(row * out.height);
    for (uint32_t y = 0; y < out.height; y++) std::memcpy(out.data.data() + y * row, image.row(y), row);
    return out;
  }

 private:
  Backend& backend_;
  const RawFrame& frame_;
};

// Without a software trigger frames come by themselves, or by a line.
void trigger(Backend& backend) {
  try {
    backend.fire();
  } catch (const BackendError& error) {
    if (error.cause != "refused") throw;
  }
}

}  // namespace

Snapshot snap(Backend& backend, const Inbox& inbox, milliseconds timeout) {
  // Stops it also where it failed in the middle of being started.
  Streaming streaming(backend);
  streaming.start();
  const auto until = steady_clock::now() + timeout;
  bool fired = false;
  std::string last = "no frame came";
  while (steady_clock::now() < until) {
    if (inbox.finished()) throw BackendError("closed", "the camera was closed");
    if (!fired && backend.ready()) {
      trigger(backend);
      fired = true;
    }
    const Taken taken = backend.next(backend.patience());
    if (const auto* bad = std::get_if<RawFault>(&taken)) {
      last = bad->detail;
      fired = false;
    }
    if (const auto* frame = std::get_if<RawFrame>(&taken)) return Taking(backend, *frame).copy();
  }
  throw BackendError("timeout", "no frame within " + std::to_string(timeout.count()) + " ms: " + last);
}

}  // namespace verdictd
