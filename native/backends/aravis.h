// Any camera of USB3 Vision or GigE Vision over the Aravis library. All calls come from the camera thread; the library's own threads
// receive frames, keep a GigE camera's control alive, and raise a flag when it is lost.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/aravis_api.h"
#include "backends/aravis_features.h"
#include "backends/frame_numbers.h"
#include "camera/backend.h"

namespace verdictd {

struct AravisOptions {
  std::string library;  // absolute path, nothing else is tried; empty: the usual places
  std::string device;   // serial number, Aravis' name of it, or IP address; empty: the only camera there is
  // UserOutput that drives the accept line: low from open to close but for accept(true). Empty: none.
  std::string accept_output;
  uint32_t buffers = 10;        // frames the host has room for
  uint32_t packet_size = 0;     // GigE: bytes of a packet; 0: what camera and network were found to carry
  int64_t packet_delay = -1;    // GigE: ns between packets; -1: as the camera has it
  uint32_t socket_buffer = 0;   // GigE: bytes the kernel keeps of packets not fetched yet; 0: a frame
  bool packet_socket = false;   // GigE: receive beside the kernel's IP stack (CAP_NET_RAW)
};

// Owner of camera and stream. close() is the one way out: buffers and stream first, then the camera.
class AravisBackend final : public Backend {
 public:
  explicit AravisBackend(AravisOptions options) : options_(std::move(options)) {}
  ~AravisBackend() override { close(); }

  DeviceList list() override;
  DeviceInfo open() override;
  std::vector<std::string> features() override;
  Feature get(const std::string& name) override;
  Feature set(const std::string& name, const FeatureValue& value) override;
  void execute(const std::string& name) override;
  void start() override;
  Taken next(std::chrono::milliseconds timeout) override;
  void release(const RawFrame& frame) noexcept override;
  bool ready() override;
  void fire() override;
  void accept(bool on) override;
  BackendHealth health() override;
  void stop() noexcept override;
  void close() noexcept override;

  std::chrono::milliseconds patience() const override { return std::chrono::milliseconds(10); }
  bool can_wait() const override { return keeps_all_; }
  bool live() const override { return true; }

 private:
  static void on_lost(arv::Handle, void* self) { static_cast<AravisBackend*>(self)->lost_ = true; }

  arv::Handle open_camera();
  arv::Handle try_open(const std::string& name, bool absent_is_error);
  void make_stream();
  void set_up_network();
  std::map<std::string, double> counters() const;
  // Does it; a link that is found dead stays dead until it is opened again.
  template <typename F>
  auto watched(F&& f) -> decltype(f());

  const AravisOptions options_;
  std::shared_ptr<const arv::Api> api_;
  arv::Handle camera_ = nullptr;
  arv::Handle stream_ = nullptr;
  arv::Handle chunks_ = nullptr;  // parser; null: frames carry none
  unsigned long lost_signal_ = 0;
  std::optional<arv::Features> device_;
  std::atomic<bool> lost_{false};

  bool gige_ = false;
  bool acquiring_ = false;
  std::string heartbeat_;   // a feature that is a register of the camera: reading it proves the link
  bool software_ = false;   // one frame a fire()
  bool keeps_all_ = false;  // triggered: every frame waits in its buffer
  FrameNumbers numbers_;
};

}  // namespace verdictd
