#include "backends/spinnaker.h"

#include <algorithm>
#include <array>
#include <utility>

#include "camera/feature_value.h"
#include "camera/monotonic.h"

namespace verdictd {
namespace {

using std::chrono::milliseconds;

// Failed transfers with neither a frame nor a quiet look between them that are no glitch any more.
constexpr int kIoErrors = 2;

// One of these is in every camera; the first that there is proves the link.
constexpr std::array<const char*, 3> kHeartbeats = {"DeviceTemperature", "DeviceUptime", "Width"};

// Read in turn, one a poll: a register read takes the link for a fraction of a millisecond.
constexpr std::array<const char*, 7> kSlowValues = {"LinkErrorCount",     "LinkRecoveryCount",           "DeviceUptime",      "LinkUptime",
                                                    "PowerSupplyVoltage", "DeviceLinkCurrentThroughput", "PowerSupplyCurrent"};
// Counters of the host's side: no register, read at each poll.
constexpr std::array<const char*, 5> kStreamValues = {"StreamStartedFrameCount", "StreamDeliveredFrameCount", "StreamIncompleteFrameCount",
                                                      "StreamLostFrameCount", "StreamDroppedFrameCount"};

DeviceEntry entry_of(const spin::Api& api, spin::Handle camera) {
  DeviceEntry out;
  spin::Handle handle = nullptr;
  if (api.CameraGetTLDeviceNodeMap(camera, &handle) != spin::kOk || handle == nullptr) return out;
  const spin::NodeMap map(api, handle);
  out.vendor = map.text("DeviceVendorName").value_or("");
  out.model = map.text("DeviceModelName").value_or("");
  out.serial = map.text("DeviceSerialNumber").value_or("");
  out.speed = map.text("DeviceCurrentSpeed").value_or("");
  out.access = map.text("DeviceAccessStatus").value_or("");
  out.location = map.text("DeviceLocation").value_or("");
  return out;
}

// Whatever became of the picture, its buffer goes back unless the frame is handed on.
class ImageGuard {
 public:
  ImageGuard(const spin::Api& api, spin::Handle image) : api_(api), image_(image) {}
  ~ImageGuard() {
    if (image_ != nullptr) api_.ImageRelease(image_);
  }
  ImageGuard(const ImageGuard&) = delete;
  ImageGuard& operator=(const ImageGuard&) = delete;
  void keep() { image_ = nullptr; }

 private:
  const spin::Api& api_;
  spin::Handle image_;
};

}  // namespace

DeviceList SpinnakerBackend::list() {
  const spin::System system(spin::load(options_.library));
  const spin::Api& api = system.api();
  DeviceList out;
  out.library = api.path;
  out.version = system.version().text();
  const spin::CameraList cameras(system);
  const size_t count = cameras.size();
  for (size_t i = 0; i < count; i++) {
    const spin::CameraHandle camera(system, cameras.at(i));
    out.devices.push_back(entry_of(api, camera.get()));
  }
  return out;
}

std::string SpinnakerBackend::serials() const {
  std::string out;
  const size_t count = list_->size();
  for (size_t i = 0; i < count; i++) {
    const spin::CameraHandle camera(*system_, list_->at(i));
    const DeviceEntry entry = entry_of(api(), camera.get());
    out += (out.empty() ? "" : ", ") + entry.serial + " (" + entry.model + ")";
  }
  return out.empty() ? "none" : out;
}

void SpinnakerBackend::find_camera() {
  spin::Handle handle = nullptr;
  if (options_.serial.empty()) {
    const size_t count = list_->size();
    if (count == 0) throw BackendError("absent", "There is no camera: none is connected, or the rights to its USB device are missing.");
    if (count > 1) throw BackendError("refused", "There are several cameras and no serial number was given. Cameras present: " + serials() + ".");
    handle = list_->at(0);
  } else {
    handle = list_->by_serial(options_.serial);
    if (handle == nullptr) throw BackendError("absent", "There is no camera with serial number " + options_.serial + ". Cameras present: " + serials() + ".");
  }
  camera_ = std::make_unique<spin::CameraHandle>(*system_, handle);
}

DeviceInfo SpinnakerBackend::open() {
  close();
  try {
    system_ = std::make_unique<spin::System>(spin::load(options_.library));
    spin::Handle map = nullptr;
    if (api().SystemGetTLNodeMap(system_->handle(), &map) == spin::kOk && map != nullptr) {
      system_map_.emplace(api(), map);
      // Faster and quieter: this daemon looks at cameras on USB.
      try {
        system_map_->set("EnumerateGEVInterfaces", false);
      } catch (const BackendError&) {
        // Not every version has it.
      }
    }
    spin::Bool changed = 0;
    api().SystemUpdateCameras(system_->handle(), &changed);
    events_ = std::make_unique<spin::DeviceEvents>(*system_);
    list_ = std::make_unique<spin::CameraList>(*system_);
    find_camera();
    const DeviceEntry entry = entry_of(api(), camera_->get());
    camera_->init();
    spin::check(api(), api().CameraGetNodeMap(camera_->get(), &map), "spinCameraGetNodeMap");
    device_.emplace(api(), map);
    spin::check(api(), api().CameraGetTLStreamNodeMap(camera_->get(), &map), "spinCameraGetTLStreamNodeMap");
    stream_.emplace(api(), map);
    spin::check(api(), api().CameraGetTLDeviceNodeMap(camera_->get(), &map), "spinCameraGetTLDeviceNodeMap");
    transport_.emplace(api(), map);
    accept(false);
    for (const char* name : kHeartbeats) {
      if (!heartbeat_.empty() || !device_->has(name)) continue;
      heartbeat_ = name;
    }
    return {entry.vendor, entry.model, entry.serial, api().path + " " + system_->version().text()};
  } catch (...) {
    close();
    throw;
  }
}

std::vector<std::string> SpinnakerBackend::features() {
  std::vector<std::string> out = device_->names();
  const std::vector<std::string> host = stream_->names();
  out.insert(out.end(), host.begin(), host.end());
  return out;
}

const spin::NodeMap& SpinnakerBackend::map_of(const std::string& name) const {
  if (device_->has(name)) return *device_;
  if (stream_->has(name)) return *stream_;
  if (transport_->has(name)) return *transport_;
  throw BackendError("missing", "the camera has no feature " + name);
}

Feature SpinnakerBackend::get(const std::string& name) { return map_of(name).get(name); }
Feature SpinnakerBackend::set(const std::string& name, const FeatureValue& value) { return map_of(name).set(name, value); }
void SpinnakerBackend::execute(const std::string& name) { map_of(name).execute(name); }

void SpinnakerBackend::start() {
  // What cannot be read is not taken for what is not there: the start fails, and is tried again.
  const auto is = [](const spin::NodeMap& map, const char* name, const FeatureValue& value) { return map.find(name) == value; };
  software_ = is(*device_, "TriggerMode", std::string("On")) && is(*device_, "TriggerSource", std::string("Software"));
  keeps_all_ = is(*stream_, "StreamBufferHandlingMode", std::string("OldestFirst"));
  chunks_ = is(*device_, "ChunkModeActive", true);
  if (software_ && device_->has("AcquisitionStatusSelector")) device_->set("AcquisitionStatusSelector", std::string("FrameTriggerWait"));
  io_errors_ = 0;
  values_.clear();
  time_.begin(*device_);
  edges_.reset();
  const std::optional<FeatureValue> counted = device_->find("CounterEventSource");
  if (counted && *counted != FeatureValue(std::string("Off"))) {
    const double exposure = number_in(device_->get("ExposureTime").value, "ExposureTime") / 1000;
    if (const auto counter = device_->find("CounterValue")) edges_.emplace(number_in(*counter, "CounterValue"), exposure);
  }
  try {
    camera_->begin();
  } catch (const BackendError& error) {
    if (error.number != spin::kIo) throw;
    // What this call says when the kernel has no memory for the transfers; a camera that has gone fails before it.
    throw BackendError("environment", error.what(), error.number);
  }
}

Taken SpinnakerBackend::next(milliseconds timeout) {
  if (events_->removed() && !camera_->valid()) throw BackendError("lost", "The camera was unplugged, or lost its power.");
  spin::Handle image = nullptr;
  const int error = api().CameraGetNextImageEx(camera_->get(), static_cast<uint64_t>(std::max<int64_t>(0, timeout.count())), &image);
  if (error == spin::kTimeout || (error == spin::kOk && image == nullptr)) {
    io_errors_ = 0;
    return Nothing{};
  }
  try {
    spin::check(api(), error, "spinCameraGetNextImageEx");
  } catch (const BackendError& failure) {
    const bool glitch = error == spin::kIo && ++io_errors_ < kIoErrors;
    throw BackendError(glitch ? "transient" : "lost", failure.what(), error);
  }
  io_errors_ = 0;
  return describe(image);
}

// Every number of the image is checked before its memory is touched.
Taken SpinnakerBackend::describe(spin::Handle image) {
  ImageGuard guard(api(), image);
  RawFrame frame;
  spin::check(api(), api().ImageGetFrameID(image, &frame.frame_id), "spinImageGetFrameID");
  const std::string name = "frame " + std::to_string(frame.frame_id);
  const auto fault = [&](const char* cause, const std::string& detail) {
    if (edges_) edges_->spoilt(frame.frame_id, monotonic_ms());
    return RawFault{cause, name + " " + detail, 0, frame.frame_id};
  };

  spin::Bool incomplete = 0;
  int status = 0;
  spin::check(api(), api().ImageIsIncomplete(image, &incomplete), "spinImageIsIncomplete");
  spin::check(api(), api().ImageGetStatus(image, &status), "spinImageGetStatus");
  if (incomplete != 0 || status != 0) return fault("incomplete", "is incomplete (image status " + std::to_string(status) + ")");

  size_t width = 0;
  size_t height = 0;
  size_t stride = 0;
  size_t bits = 0;
  size_t size = 0;
  size_t valid = 0;
  void* data = nullptr;
  spin::check(api(), api().ImageGetWidth(image, &width), "spinImageGetWidth");
  spin::check(api(), api().ImageGetHeight(image, &height), "spinImageGetHeight");
  spin::check(api(), api().ImageGetStride(image, &stride), "spinImageGetStride");
  spin::check(api(), api().ImageGetBitsPerPixel(image, &bits), "spinImageGetBitsPerPixel");
  spin::check(api(), api().ImageGetBufferSize(image, &size), "spinImageGetBufferSize");
  spin::check(api(), api().ImageGetValidPayloadSize(image, &valid), "spinImageGetValidPayloadSize");
  spin::check(api(), api().ImageGetData(image, &data), "spinImageGetData");
  const std::string format = spin::text_of([&](char* buffer, size_t* length) { return api().ImageGetPixelFormatName(image, buffer, length); });
  const std::string shape = std::to_string(width) + " x " + std::to_string(height) + " " + format;
  const std::optional<PixelFormat> known = pixel_format_of(format);
  if (!known) return fault("wrongFormat", "is " + shape + ": this pixel format is not read");
  if (width < 1 || height < 1 || width > kMaxSide || height > kMaxSide) return fault("wrongSize", "is " + shape);
  const size_t row = width * bytes_per_pixel(*known);
  // The bound keeps the product below from wrapping, whatever the library says of its own buffer.
  if (bits != bytes_per_pixel(*known) * 8 || stride < row || stride > row + kMaxSide) {
    return fault("wrongFormat", "is " + shape + " with " + std::to_string(bits) + " bits a pixel and " + std::to_string(stride) + " bytes a row");
  }
  const size_t needed = stride * (height - 1) + row;
  // Of a complete frame `valid` counts picture and chunk data; 0: this version does not say.
  if (data == nullptr || size < needed || (valid > 0 && valid < needed)) {
    return fault("short", "holds " + std::to_string(valid > 0 ? std::min(size, valid) : size) + " of " + std::to_string(needed) + " bytes");
  }
  spin::Bool has_crc = 0;
  if (chunks_ && api().ImageHasCRC != nullptr && api().ImageCheckCRC != nullptr && api().ImageHasCRC(image, &has_crc) == spin::kOk && has_crc != 0) {
    spin::Bool good = 0;
    if (api().ImageCheckCRC(image, &good) != spin::kOk || good == 0) return fault("incomplete", "has a wrong checksum");
  }

  spin::check(api(), api().ImageGetTimeStamp(image, &frame.camera_ns), "spinImageGetTimeStamp");
  const std::optional<double> exposed = time_.exposed(frame.camera_ns);
  if (!exposed) return fault("late", "has no time: the clock of the camera is not known");
  frame.exposed = *exposed;
  if (edges_) edges_->frame(frame.frame_id, frame.exposed);
  if (chunks_) frame.chunk = chunk_of(image);
  frame.image.width = static_cast<uint32_t>(width);
  frame.image.height = static_cast<uint32_t>(height);
  frame.image.stride = stride;
  frame.image.format = *known;
  frame.image.data = static_cast<const uint8_t*>(data);
  frame.handle = image;
  guard.keep();
  return frame;
}

std::optional<Chunk> SpinnakerBackend::chunk_of(spin::Handle image) const {
  Chunk out;
  int64_t whole = 0;
  double real = 0;
  if (api().ImageChunkDataGetIntValue(image, "ChunkFrameID", &whole) == spin::kOk) out.frame_id = static_cast<double>(whole);
  if (api().ImageChunkDataGetIntValue(image, "ChunkTimestamp", &whole) == spin::kOk) out.timestamp = static_cast<double>(whole);
  if (api().ImageChunkDataGetFloatValue(image, "ChunkExposureTime", &real) == spin::kOk) out.exposure_time = real;
  if (api().ImageChunkDataGetFloatValue(image, "ChunkGain", &real) == spin::kOk) out.gain = real;
  if (!out.frame_id && !out.timestamp && !out.exposure_time && !out.gain) return std::nullopt;
  return out;
}

void SpinnakerBackend::release(const RawFrame& frame) noexcept {
  if (system_ != nullptr) api().ImageRelease(frame.handle);
}

bool SpinnakerBackend::ready() { return !software_ || device_->boolean("AcquisitionStatus").value_or(true); }

void SpinnakerBackend::fire() {
  if (!software_) throw BackendError("refused", "the camera is not set to a software trigger");
  device_->execute("TriggerSoftware");
}

void SpinnakerBackend::accept(bool on) {
  if (options_.accept_output.empty()) {
    if (on) throw BackendError("refused", "no accept output is configured");
    return;
  }
  device_->set("UserOutputSelector", options_.accept_output);
  device_->set("UserOutputValue", on);
}

BackendHealth SpinnakerBackend::health() {
  BackendHealth out;
  const std::optional<double> beat = camera_->valid() ? device_->number(heartbeat_) : std::nullopt;
  out.connected = beat.has_value();
  if (!out.connected) return out;
  if (heartbeat_ == "DeviceTemperature") out.temperature = beat;
  watch_counters(out);
  time_.keep(*device_);
  return out;
}

void SpinnakerBackend::watch_counters(BackendHealth& health) noexcept {
  const char* slow = kSlowValues[turn_++ % kSlowValues.size()];
  if (const auto value = device_->number(slow)) values_[slow] = *value;
  for (const char* name : kStreamValues) {
    if (const auto value = stream_->number(name)) values_[name] = *value;
  }
  if (edges_) {
    if (const auto counter = device_->number("CounterValue")) values_["missedTriggers"] = edges_->count(*counter, monotonic_ms());
  }
  health.values = values_;
}

void SpinnakerBackend::stop() noexcept {
  if (camera_ == nullptr) return;
  camera_->end();
  try {
    if (device_) accept(false);
  } catch (const BackendError&) {
    // The camera has gone. With power its outputs keep their level until it is opened.
  }
}

void SpinnakerBackend::close() noexcept {
  stop();
  device_.reset();
  stream_.reset();
  transport_.reset();
  events_.reset();
  if (camera_ != nullptr) camera_->close();
  camera_.reset();
  list_.reset();
  system_map_.reset();
  system_.reset();
  heartbeat_.clear();
}

}  // namespace verdictd
