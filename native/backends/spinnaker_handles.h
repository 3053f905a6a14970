// Owners of the SDK's handles. Released in the reverse order of their making, which is the order the SDK asks for: images, end of
// acquisition, events, camera closed, camera released, list, system. Failures while releasing have nobody to go to.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "backends/spinnaker_api.h"

namespace verdictd::spin {

using ApiPtr = std::shared_ptr<const Api>;

// The library's one instance, counted by the library. Every other handle lies within the life of one of these.
class System {
 public:
  // Throws "environment": the GenTL producer is not found, or the version is too old.
  explicit System(ApiPtr api);
  ~System();
  System(const System&) = delete;
  System& operator=(const System&) = delete;

  const Api& api() const { return *api_; }
  Handle handle() const { return handle_; }
  const Version& version() const { return version_; }

 private:
  ApiPtr api_;
  Handle handle_ = nullptr;
  Version version_;
};

// A snapshot of the cameras there are.
class CameraList {
 public:
  explicit CameraList(const System& system);
  ~CameraList();
  CameraList(const CameraList&) = delete;
  CameraList& operator=(const CameraList&) = delete;

  size_t size() const;
  // Null where there is none of this serial. The caller releases it.
  Handle by_serial(const std::string& serial) const;
  Handle at(size_t index) const;

 private:
  const System& system_;
  Handle handle_ = nullptr;
};

// One reference to a camera; closed (streaming ended, DeInit) before it is given back.
class CameraHandle {
 public:
  CameraHandle(const System& system, Handle camera) : system_(system), handle_(camera) {}
  ~CameraHandle();
  CameraHandle(const CameraHandle&) = delete;
  CameraHandle& operator=(const CameraHandle&) = delete;

  Handle get() const { return handle_; }
  void init();
  void begin();
  // Both do nothing where there is nothing to end, and go on over failures of a camera that has gone.
  void end() noexcept;
  void close() noexcept;
  bool valid() const noexcept;

 private:
  const System& system_;
  Handle handle_;
  bool initialized_ = false;
  bool streaming_ = false;
};

// Tells of devices that come and go. The callbacks run in a thread of the library and do nothing but raise a flag.
class DeviceEvents {
 public:
  explicit DeviceEvents(const System& system);
  ~DeviceEvents();
  DeviceEvents(const DeviceEvents&) = delete;
  DeviceEvents& operator=(const DeviceEvents&) = delete;

  // Whether a device was removed since this was last asked.
  bool removed() noexcept { return removed_.exchange(false); }

 private:
  static void on_arrival(Handle, void*) {}
  static void on_removal(Handle, void* self) { static_cast<DeviceEvents*>(self)->removed_ = true; }

  const System& system_;
  std::atomic<bool> removed_{false};
  Handle handle_ = nullptr;
  bool registered_ = false;
};

}  // namespace verdictd::spin
