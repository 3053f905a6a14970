#include "backends/spinnaker_handles.h"

#include "camera/backend.h"

namespace verdictd::spin {

System::System(ApiPtr api) : api_(std::move(api)) {
  const int error = api_->SystemGetInstance(&handle_);
  if (error == kAbort) {
    try {
      check(*api_, error, "spinSystemGetInstance");
    } catch (const BackendError& failure) {
      throw BackendError("environment", failure.what(), error);
    }
  }
  check(*api_, error, "spinSystemGetInstance");
  const int versioned = api_->SystemGetLibraryVersion(handle_, &version_);
  if (versioned != kOk || version_.major < kOldestMajor) {
    api_->SystemReleaseInstance(handle_);
    throw BackendError("environment", api_->path + " is version " + version_.text() + " of the Spinnaker library; expected " +
                                          std::to_string(kOldestMajor) + " or later.");
  }
}

System::~System() { api_->SystemReleaseInstance(handle_); }

CameraList::CameraList(const System& system) : system_(system) {
  const Api& api = system.api();
  check(api, api.CameraListCreateEmpty(&handle_), "spinCameraListCreateEmpty");
  const int error = api.SystemGetCameras(system.handle(), handle_);
  if (error == kOk) return;
  try {
    check(api, error, "spinSystemGetCameras");
  } catch (...) {
    api.CameraListDestroy(handle_);
    throw;
  }
}

CameraList::~CameraList() {
  system_.api().CameraListClear(handle_);
  system_.api().CameraListDestroy(handle_);
}

size_t CameraList::size() const {
  size_t size = 0;
  check(system_.api(), system_.api().CameraListGetSize(handle_, &size), "spinCameraListGetSize");
  return size;
}

Handle CameraList::by_serial(const std::string& serial) const {
  Handle camera = nullptr;
  check(system_.api(), system_.api().CameraListGetBySerial(handle_, serial.c_str(), &camera), "spinCameraListGetBySerial");
  return camera;
}

Handle CameraList::at(size_t index) const {
  Handle camera = nullptr;
  check(system_.api(), system_.api().CameraListGet(handle_, index, &camera), "spinCameraListGet");
  if (camera == nullptr) throw BackendError("lost", "spinCameraListGet gave no camera");
  return camera;
}

CameraHandle::~CameraHandle() {
  close();
  system_.api().CameraRelease(handle_);
}

void CameraHandle::init() {
  const Api& api = system_.api();
  check(api, api.CameraInit(handle_), "spinCameraInit");
  initialized_ = true;
  // Left streaming by a process that was killed.
  Bool streaming = 0;
  if (api.CameraIsStreaming(handle_, &streaming) == kOk && streaming != 0) api.CameraEndAcquisition(handle_);
}

void CameraHandle::begin() {
  check(system_.api(), system_.api().CameraBeginAcquisition(handle_), "spinCameraBeginAcquisition");
  streaming_ = true;
}

void CameraHandle::end() noexcept {
  if (!std::exchange(streaming_, false)) return;
  system_.api().CameraEndAcquisition(handle_);
}

void CameraHandle::close() noexcept {
  end();
  if (!std::exchange(initialized_, false)) return;
  system_.api().CameraDeInit(handle_);
}

bool CameraHandle::valid() const noexcept {
  Bool valid = 0;
  return system_.api().CameraIsValid(handle_, &valid) == kOk && valid != 0;
}

DeviceEvents::DeviceEvents(const System& system) : system_(system) {
  const Api& api = system.api();
  check(api, api.InterfaceEventHandlerCreate(&handle_, on_arrival, on_removal, this), "spinInterfaceEventHandlerCreate");
  registered_ = api.SystemRegisterInterfaceEventHandler(system.handle(), handle_) == kOk;
}

DeviceEvents::~DeviceEvents() {
  if (registered_) system_.api().SystemUnregisterInterfaceEventHandler(system_.handle(), handle_);
  system_.api().InterfaceEventHandlerDestroy(handle_);
}

}  // namespace verdictd::spin
