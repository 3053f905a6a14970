// The C functions of the Spinnaker SDK that we call, as a typed table filled at run time. Names, argument types and numbers are
// facts of its ABI (the same in versions 3 and 4); no header of the SDK is needed to build.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace verdictd::spin {

using Handle = void*;
using Bool = uint8_t;

struct Version {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned type = 0;
  unsigned build = 0;
  std::string text() const;
};

// The first argument of both is never looked at: it was a number in version 2 and is a handle since.
using DeviceCallback = void (*)(Handle, void* user);

// Every function returns an int, 0 for success. X(name without the prefix "spin", arguments)
#define VERDICTD_SPINNAKER_REQUIRED(X)                                    \
  X(ErrorGetLastMessage, (char*, size_t*))                                \
  X(SystemGetInstance, (Handle*))                                         \
  X(SystemReleaseInstance, (Handle))                                      \
  X(SystemGetLibraryVersion, (Handle, Version*))                          \
  X(SystemGetTLNodeMap, (Handle, Handle*))                                \
  X(SystemGetCameras, (Handle, Handle))                                   \
  X(SystemUpdateCameras, (Handle, Bool*))                                 \
  X(SystemRegisterInterfaceEventHandler, (Handle, Handle))                \
  X(SystemUnregisterInterfaceEventHandler, (Handle, Handle))              \
  X(InterfaceEventHandlerCreate, (Handle*, DeviceCallback, DeviceCallback, void*)) \
  X(InterfaceEventHandlerDestroy, (Handle))                               \
  X(CameraListCreateEmpty, (Handle*))                                     \
  X(CameraListDestroy, (Handle))                                          \
  X(CameraListClear, (Handle))                                            \
  X(CameraListGetSize, (Handle, size_t*))                                 \
  X(CameraListGet, (Handle, size_t, Handle*))                             \
  X(CameraListGetBySerial, (Handle, const char*, Handle*))                \
  X(CameraInit, (Handle))                                                 \
  X(CameraDeInit, (Handle))                                               \
  X(CameraRelease, (Handle))                                              \
  X(CameraIsValid, (Handle, Bool*))                                       \
  X(CameraIsStreaming, (Handle, Bool*))                                   \
  X(CameraGetNodeMap, (Handle, Handle*))                                  \
  X(CameraGetTLDeviceNodeMap, (Handle, Handle*))                          \
  X(CameraGetTLStreamNodeMap, (Handle, Handle*))                          \
  X(CameraBeginAcquisition, (Handle))                                     \
  X(CameraEndAcquisition, (Handle))                                       \
  X(CameraGetNextImageEx, (Handle, uint64_t, Handle*))                    \
  X(NodeMapGetNode, (Handle, const char*, Handle*))                       \
  X(NodeMapReleaseNode, (Handle, Handle))                                 \
  X(NodeIsImplemented, (Handle, Bool*))                                   \
  X(NodeIsAvailable, (Handle, Bool*))                                     \
  X(NodeIsReadable, (Handle, Bool*))                                      \
  X(NodeIsWritable, (Handle, Bool*))                                      \
  X(NodeGetType, (Handle, int*))                                          \
  X(IntegerGetValue, (Handle, int64_t*))                                  \
  X(IntegerSetValue, (Handle, int64_t))                                   \
  X(IntegerGetMin, (Handle, int64_t*))                                    \
  X(IntegerGetMax, (Handle, int64_t*))                                    \
  X(IntegerGetInc, (Handle, int64_t*))                                    \
  X(FloatGetValue, (Handle, double*))                                     \
  X(FloatSetValue, (Handle, double))                                      \
  X(FloatGetMin, (Handle, double*))                                       \
  X(FloatGetMax, (Handle, double*))                                       \
  X(FloatGetUnit, (Handle, char*, size_t*))                               \
  X(BooleanGetValue, (Handle, Bool*))                                     \
  X(BooleanSetValue, (Handle, Bool))                                      \
  X(StringGetValue, (Handle, char*, size_t*))                             \
  X(StringSetValue, (Handle, const char*))                                \
  X(CommandExecute, (Handle))                                             \
  X(CommandIsDone, (Handle, Bool*))                                       \
  X(EnumerationGetNumEntries, (Handle, size_t*))                          \
  X(EnumerationGetEntryByIndex, (Handle, size_t, Handle*))                \
  X(EnumerationGetEntryByName, (Handle, const char*, Handle*))            \
  X(EnumerationGetCurrentEntry, (Handle, Handle*))                        \
  X(EnumerationReleaseNode, (Handle, Handle))                             \
  X(EnumerationSetIntValue, (Handle, int64_t))                            \
  X(EnumerationEntryGetIntValue, (Handle, int64_t*))                      \
  X(EnumerationEntryGetSymbolic, (Handle, char*, size_t*))                \
  X(ImageIsIncomplete, (Handle, Bool*))                                   \
  X(ImageGetStatus, (Handle, int*))                                       \
  X(ImageGetWidth, (Handle, size_t*))                                     \
  X(ImageGetHeight, (Handle, size_t*))                                    \
  X(ImageGetStride, (Handle, size_t*))                                    \
  X(ImageGetBitsPerPixel, (Handle, size_t*))                              \
  X(ImageGetPixelFormatName, (Handle, char*, size_t*))                    \
  X(ImageGetData, (Handle, void**))                                       \
  X(ImageGetBufferSize, (Handle, size_t*))                                \
  X(ImageGetValidPayloadSize, (Handle, size_t*))                          \
  X(ImageGetFrameID, (Handle, uint64_t*))                                 \
  X(ImageGetTimeStamp, (Handle, uint64_t*))                               \
  X(ImageChunkDataGetIntValue, (Handle, const char*, int64_t*))           \
  X(ImageChunkDataGetFloatValue, (Handle, const char*, double*))          \
  X(ImageRelease, (Handle))

// Null where this version does not have them.
#define VERDICTD_SPINNAKER_OPTIONAL(X)            \
  X(NodeMapGetNumNodes, (Handle, size_t*))        \
  X(NodeMapGetNodeByIndex, (Handle, size_t, Handle*)) \
  X(NodeGetName, (Handle, char*, size_t*))        \
  X(NodeGetVisibility, (Handle, int*))            \
  X(ImageHasCRC, (Handle, Bool*))                 \
  X(ImageCheckCRC, (Handle, Bool*))

struct Api {
#define VERDICTD_DECLARE(name, arguments) int(*name) arguments = nullptr;
  VERDICTD_SPINNAKER_REQUIRED(VERDICTD_DECLARE)
  VERDICTD_SPINNAKER_OPTIONAL(VERDICTD_DECLARE)
#undef VERDICTD_DECLARE
  std::string path;  // the file it came from
};

// Version of the first SDK whose ABI this table describes.
constexpr unsigned kOldestMajor = 3;

// Loads the library; the same path gives the same table. It stays loaded for the life of the process: its threads and statics
// do not survive being unloaded. `file`: an absolute path, and nothing else is tried; empty: the usual places, newest first.
// Throws BackendError("environment") with every path tried and why it failed.
std::shared_ptr<const Api> load(const std::string& file);

// Numbers of the SDK's errors that we act upon.
enum Error : int {
  kOk = 0,
  kError = -1001,
  kNotInitialized = -1002,
  kNotImplemented = -1003,
  kResourceInUse = -1004,
  kAccessDenied = -1005,
  kInvalidHandle = -1006,
  kInvalidParameter = -1009,
  kIo = -1010,
  kTimeout = -1011,
  kAbort = -1012,
  kNotAvailable = -1014,
  kInvalidAddress = -1015,
  kBufferTooSmall = -1016,
  kInvalidValue = -1019,
  kResourceExhausted = -1020,
  kOutOfMemory = -1021,
  kBusy = -1022,
  kGenicamInvalidArgument = -2001,
  kGenicamOutOfRange = -2002,
  kGenicamAccess = -2006,
  kGenicamTimeout = -2007,
  kGenicamDynamicCast = -2008,
};

// The word of src/camera/spinnaker.ts for a failed call's number: transient, lost, refused or environment.
const char* cause_of(int error);

// Throws BackendError(cause_of(error), "<what>: <the library's own text>", error) unless `error` is 0. The text is read at once:
// the SDK keeps one for all threads.
void check(const Api& api, int error, const std::string& what);

// Value of a getter of text, whatever its length. Empty where it fails.
template <typename Getter>
std::string text_of(Getter getter) {
  std::vector<char> space(256);
  size_t length = space.size();
  int error = getter(space.data(), &length);
  if (error == kBufferTooSmall) {
    length = 0;
    if (getter(nullptr, &length) != kOk || length == 0 || length > 65536) return "";
    space.resize(length);
    error = getter(space.data(), &length);
  }
  if (error != kOk) return "";
  space.back() = '\0';
  return space.data();
}

}  // namespace verdictd::spin
