// A camera over the Spinnaker SDK. All calls come from the camera thread; the library's own threads only raise a flag.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "backends/missed_edges.h"
#include "backends/spinnaker_handles.h"
#include "backends/spinnaker_nodes.h"
#include "backends/spinnaker_time.h"
#include "camera/backend.h"

namespace verdictd {

struct SpinnakerOptions {
  std::string library;  // absolute path, nothing else is tried; empty: the usual places
  std::string serial;   // empty: the only camera there is
  // UserOutput that drives the accept line ("UserOutput1"): low from open to close but for accept(true). Empty: none.
  std::string accept_output;
};

// Owner of every handle of the SDK. close() is the one way out and keeps the documented order.
class SpinnakerBackend final : public Backend {
 public:
  explicit SpinnakerBackend(SpinnakerOptions options) : options_(std::move(options)) {}
  ~SpinnakerBackend() override { close(); }

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
  const spin::Api& api() const { return system_->api(); }
  void find_camera();
  std::string serials() const;
  const spin::NodeMap& map_of(const std::string& name) const;
  Taken describe(spin::Handle image);
  std::optional<Chunk> chunk_of(spin::Handle image) const;
  void watch_counters(BackendHealth& health) noexcept;

  const SpinnakerOptions options_;
  std::unique_ptr<spin::System> system_;
  std::unique_ptr<spin::DeviceEvents> events_;
  std::unique_ptr<spin::CameraList> list_;
  std::unique_ptr<spin::CameraHandle> camera_;
  std::optional<spin::NodeMap> device_;
  std::optional<spin::NodeMap> stream_;
  std::optional<spin::NodeMap> transport_;
  std::optional<spin::NodeMap> system_map_;

  std::string heartbeat_;     // a feature that is a register of the camera: reading it proves the link
  bool software_ = false;     // one frame a fire()
  bool keeps_all_ = false;    // OldestFirst: a frame waits in its buffer
  bool chunks_ = false;
  int io_errors_ = 0;         // in a row
  spin::FrameTime time_;
  size_t turn_ = 0;           // which of the slow health values is read next
  std::map<std::string, double> values_;
  std::optional<MissedEdges> edges_;  // where the camera counts those of its trigger line
};

}  // namespace verdictd
