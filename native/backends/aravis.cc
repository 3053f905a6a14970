#include "backends/aravis.h"

#include <algorithm>
#include <array>
#include <utility>

#include "backends/aravis_frames.h"

namespace verdictd {
namespace {

using std::chrono::milliseconds;

// The first that there is proves the link.
constexpr std::array<const char*, 3> kHeartbeats = {"DeviceTemperature", "DeviceUptime", "Width"};
// Larger than a frame of 16384 x 16384 in colour.
constexpr unsigned kMaxPayload = 1U << 30;
constexpr int kNoPacketSocket = 1;
constexpr int kAdjustNever = 0;
constexpr int kFixedSocketBuffer = 0;

// The library's own camera without a camera is only there when asked for.
bool is_fake(const std::string& device) { return device.rfind("Fake_", 0) == 0; }

// Its name of a camera that was there when the list was last made; empty: none.
std::string known(const arv::Api& api, const std::string& device) {
  const unsigned count = api.arv_get_n_devices();
  for (unsigned i = 0; i < count; i++) {
    const std::string id = arv::text(api.arv_get_device_id(i));
    const bool is = device == id || device == arv::text(api.arv_get_device_serial_nbr(i)) || device == arv::text(api.arv_get_device_address(i)) ||
                    device == arv::text(api.arv_get_device_physical_id(i));
    if (is) return id;
  }
  return "";
}

std::string present(const arv::Api& api) {
  std::string out;
  const unsigned count = api.arv_get_n_devices();
  for (unsigned i = 0; i < count; i++) {
    out += (out.empty() ? "" : ", ") + arv::text(api.arv_get_device_serial_nbr(i)) + " (" + arv::text(api.arv_get_device_model(i)) + ")";
  }
  return out.empty() ? "none" : out;
}

}  // namespace

template <typename F>
auto AravisBackend::watched(F&& f) -> decltype(f()) {
  try {
    return f();
  } catch (const BackendError& error) {
    if (error.cause == "lost") lost_ = true;
    throw;
  }
}

DeviceList AravisBackend::list() {
  const std::shared_ptr<const arv::Api> api = arv::load(options_.library);
  if (is_fake(options_.device)) api->arv_enable_interface("Fake");
  api->arv_update_device_list();
  DeviceList out;
  out.library = api->path;
  out.version = api->version();
  const unsigned count = api->arv_get_n_devices();
  for (unsigned i = 0; i < count; i++) {
    DeviceEntry one;
    one.vendor = arv::text(api->arv_get_device_vendor(i));
    one.model = arv::text(api->arv_get_device_model(i));
    one.serial = arv::text(api->arv_get_device_serial_nbr(i));
    one.location = arv::text(api->arv_get_device_protocol(i)) + " " + arv::text(api->arv_get_device_address(i));
    out.devices.push_back(std::move(one));
  }
  return out;
}

// Null where it is not there and that is no error.
arv::Handle AravisBackend::try_open(const std::string& name, bool absent_is_error) {
  arv::Outcome outcome(*api_);
  const arv::Handle camera = api_->arv_camera_new(name.c_str(), outcome);
  if (camera != nullptr && !outcome.failed()) return camera;
  if (camera != nullptr) api_->g_object_unref(camera);
  if (!absent_is_error) return nullptr;
  outcome.check("opening camera " + name);
  throw BackendError("absent", "Camera " + name + " did not open.");
}

// Looking for cameras takes a second: one that is known, or has an address, is opened without.
arv::Handle AravisBackend::open_camera() {
  const std::string& device = options_.device;
  if (is_fake(device)) api_->arv_enable_interface("Fake");
  if (!device.empty()) {
    const std::string before = known(*api_, device);
    const bool address = device.find('.') != std::string::npos || device.find(':') != std::string::npos;
    const std::string name = before.empty() && address ? device : before;
    if (!name.empty()) {
      if (const arv::Handle camera = try_open(name, false)) return camera;
    }
  }
  api_->arv_update_device_list();
  if (device.empty()) {
    const unsigned count = api_->arv_get_n_devices();
    if (count == 0) throw BackendError("absent", "There is no camera: none is connected, or it is in no network of this machine.");
    if (count > 1) throw BackendError("refused", "There are several cameras and none was named. Cameras present: " + present(*api_) + ".");
    return try_open(arv::text(api_->arv_get_device_id(0)), true);
  }
  const std::string now = known(*api_, device);
  if (now.empty()) throw BackendError("absent", "There is no camera " + device + ". Cameras present: " + present(*api_) + ".");
  return try_open(now, true);
}

DeviceInfo AravisBackend::open() {
  close();
  try {
    api_ = arv::load(options_.library);
    lost_ = false;
    camera_ = open_camera();
    const arv::Handle device = api_->arv_camera_get_device(camera_);
    lost_signal_ = api_->g_signal_connect_data(device, "control-lost", on_lost, this, nullptr, 0);
    gige_ = api_->arv_camera_is_gv_device(camera_) != 0;
    // Without control everything can be read, and nothing is answered that is written.
    if (gige_ && api_->arv_gv_device_is_controller != nullptr && api_->arv_gv_device_is_controller(device) == 0) {
      throw BackendError("environment", "The camera is there and cannot be controlled.", arv::kNotController + 1);
    }
    const arv::Handle genicam = api_->arv_device_get_genicam(device);
    if (genicam == nullptr) throw BackendError("environment", "The camera gave no description of its features.");
    device_.emplace(*api_, genicam);
    for (const char* name : kHeartbeats) {
      if (heartbeat_.empty() && device_->has(name)) heartbeat_ = name;
    }
    accept(false);
    const auto fact = [&](const char* (*getter)(arv::Handle, arv::Error**)) {
      arv::Outcome outcome(*api_);
      return arv::text(getter(camera_, outcome));
    };
    DeviceInfo out;
    out.vendor = fact(api_->arv_camera_get_vendor_name);
    out.model = fact(api_->arv_camera_get_model_name);
    out.serial = fact(api_->arv_camera_get_device_serial_number);
    if (out.serial.empty()) out.serial = fact(api_->arv_camera_get_device_id);
    out.library = api_->path + " " + api_->version();
    return out;
  } catch (...) {
    close();
    throw;
  }
}

std::vector<std::string> AravisBackend::features() {
  return watched([&] { return device_->names(); });
}
Feature AravisBackend::get(const std::string& name) {
  return watched([&] { return device_->get(name); });
}
Feature AravisBackend::set(const std::string& name, const FeatureValue& value) {
  return watched([&] { return device_->set(name, value); });
}
void AravisBackend::execute(const std::string& name) {
  watched([&] { device_->execute(name); });
}

void AravisBackend::set_up_network() {
  api_->arv_camera_gv_set_stream_options(camera_, options_.packet_socket ? 0 : kNoPacketSocket);
  if (options_.packet_size > 0) {
    if (api_->arv_camera_gv_set_packet_size_adjustment != nullptr) api_->arv_camera_gv_set_packet_size_adjustment(camera_, kAdjustNever);
    arv::Outcome outcome(*api_);
    api_->arv_camera_gv_set_packet_size(camera_, static_cast<int>(options_.packet_size), outcome);
    outcome.check("setting the packet size");
  }
  if (options_.packet_delay >= 0) {
    arv::Outcome outcome(*api_);
    api_->arv_camera_gv_set_packet_delay(camera_, options_.packet_delay, outcome);
    outcome.check("setting the packet delay");
  }
}

void AravisBackend::make_stream() {
  if (gige_) set_up_network();
  arv::Outcome sized(*api_);
  const unsigned payload = api_->arv_camera_get_payload(camera_, sized);
  sized.check("reading the size of a frame");
  if (payload == 0 || payload > kMaxPayload) throw BackendError("refused", "the camera says a frame has " + std::to_string(payload) + " bytes");
  arv::Outcome made(*api_);
  stream_ = api_->arv_camera_create_stream(camera_, nullptr, nullptr, made);
  made.check("making the stream");
  if (stream_ == nullptr) throw BackendError("environment", "The camera gave no stream.");
  if (gige_ && options_.socket_buffer > 0) {
    api_->g_object_set(stream_, "socket-buffer", kFixedSocketBuffer, "socket-buffer-size", static_cast<int>(options_.socket_buffer), nullptr);
  }
  for (uint32_t i = 0; i < options_.buffers; i++) api_->arv_stream_push_buffer(stream_, api_->arv_buffer_new_allocate(payload));
}

void AravisBackend::start() {
  stop();
  watched([&] {
    // What cannot be read is not taken for what is not there: the start fails, and is tried again.
    const auto is = [this](const char* name, const FeatureValue& value) { return device_->find(name) == value; };
    keeps_all_ = is("TriggerMode", std::string("On"));
    software_ = keeps_all_ && is("TriggerSource", std::string("Software"));
    if (software_ && device_->has("AcquisitionStatusSelector")) device_->set("AcquisitionStatusSelector", std::string("FrameTriggerWait"));
    numbers_.restart();
    if (is("ChunkModeActive", true)) chunks_ = api_->arv_camera_create_chunk_parser(camera_);
    make_stream();
    arv::Outcome outcome(*api_);
    // Also where it fails: the camera may have begun.
    acquiring_ = true;
    api_->arv_camera_start_acquisition(camera_, outcome);
    outcome.check("starting the acquisition");
  });
}

Taken AravisBackend::next(milliseconds timeout) {
  if (lost_) throw BackendError("lost", "The camera does not answer any more, or another program took it over.");
  const auto us = static_cast<uint64_t>(std::max<int64_t>(0, timeout.count())) * 1000;
  arv::Handle buffer = us == 0 ? api_->arv_stream_try_pop_buffer(stream_) : api_->arv_stream_timeout_pop_buffer(stream_, us);
  if (buffer == nullptr) return Nothing{};
  // Running free, the newest is wanted.
  while (!keeps_all_) {
    const arv::Handle newer = api_->arv_stream_try_pop_buffer(stream_);
    if (newer == nullptr) break;
    api_->arv_stream_push_buffer(stream_, std::exchange(buffer, newer));
  }
  Taken taken = arv::frame_of(*api_, buffer, numbers_, chunks_);
  if (!std::holds_alternative<RawFrame>(taken)) api_->arv_stream_push_buffer(stream_, buffer);
  return taken;
}

void AravisBackend::release(const RawFrame& frame) noexcept {
  if (stream_ != nullptr) {
    api_->arv_stream_push_buffer(stream_, frame.handle);
  } else {
    api_->g_object_unref(frame.handle);
  }
}

bool AravisBackend::ready() {
  if (!software_) return true;
  try {
    return watched([&] { return device_->find("AcquisitionStatus") != FeatureValue(false); });
  } catch (const BackendError&) {
    return true;  // the trigger itself will tell
  }
}

void AravisBackend::fire() {
  if (!software_) throw BackendError("refused", "the camera is not set to a software trigger");
  watched([&] { device_->execute("TriggerSoftware"); });
}

void AravisBackend::accept(bool on) {
  if (options_.accept_output.empty()) {
    if (on) throw BackendError("refused", "no accept output is configured");
    return;
  }
  watched([&] {
    device_->set("UserOutputSelector", options_.accept_output);
    device_->set("UserOutputValue", on);
  });
}

std::map<std::string, double> AravisBackend::counters() const {
  std::map<std::string, double> out;
  if (stream_ == nullptr) return out;
  uint64_t delivered = 0;
  uint64_t failed = 0;
  uint64_t dropped = 0;
  api_->arv_stream_get_statistics(stream_, &delivered, &failed, &dropped);
  out["StreamDeliveredFrameCount"] = static_cast<double>(delivered);
  out["StreamIncompleteFrameCount"] = static_cast<double>(failed);
  out["StreamDroppedFrameCount"] = static_cast<double>(dropped);
  if (!gige_) return out;
  uint64_t resent = 0;
  uint64_t missing = 0;
  api_->arv_gv_stream_get_statistics(stream_, &resent, &missing);
  out["StreamPacketResendReceivedPacketCount"] = static_cast<double>(resent);
  out["StreamMissedPacketCount"] = static_cast<double>(missing);
  return out;
}

BackendHealth AravisBackend::health() {
  BackendHealth out;
  if (lost_ || heartbeat_.empty()) return out;
  try {
    const FeatureValue beat = watched([&] { return device_->get(heartbeat_).value; });
    out.connected = true;
    const auto* real = std::get_if<double>(&beat);
    if (real != nullptr && heartbeat_ == "DeviceTemperature") out.temperature = *real;
  } catch (const BackendError& error) {
    // A feature that cannot be read now was refused by a camera that answers.
    out.connected = error.cause != "lost" && error.cause != "transient";
  }
  if (out.connected) out.values = counters();
  return out;
}

void AravisBackend::stop() noexcept {
  if (camera_ == nullptr) return;
  // A dead link takes seconds for each word.
  if (std::exchange(acquiring_, false) && !lost_) {
    arv::Outcome outcome(*api_);
    api_->arv_camera_stop_acquisition(camera_, outcome);
  }
  if (stream_ != nullptr) api_->g_object_unref(std::exchange(stream_, nullptr));
  if (chunks_ != nullptr) api_->g_object_unref(std::exchange(chunks_, nullptr));
  if (lost_ || !device_) return;
  try {
    accept(false);
  } catch (const BackendError&) {
    // The camera has gone. With power its outputs keep their level until it is opened.
  }
}

void AravisBackend::close() noexcept {
  stop();
  device_.reset();
  heartbeat_.clear();
  if (camera_ == nullptr) return;
  if (lost_signal_ != 0) api_->g_signal_handler_disconnect(api_->arv_camera_get_device(camera_), std::exchange(lost_signal_, 0));
  api_->g_object_unref(std::exchange(camera_, nullptr));
}

}  // namespace verdictd
