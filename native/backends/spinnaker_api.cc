#include "backends/spinnaker_api.h"

#include <dlfcn.h>

#include <map>
#include <mutex>

#include "backends/loader.h"
#include "camera/backend.h"

namespace verdictd::spin {
namespace {

const LibrarySearch kSearch = {
    "The Spinnaker library",
    {
        "libSpinnaker_C.so.4",
        "/opt/spinnaker/lib/libSpinnaker_C.so.4",
        "libSpinnaker_C.so.3",
        "/opt/spinnaker/lib/libSpinnaker_C.so.3",
        "/opt/spinnaker/lib/libSpinnaker_C.so",
        "/usr/lib/libSpinnaker_C.so",
    },
};

// Fills the table; the name of what is missing, or empty.
std::string resolve(void* library, Api& api) {
#define VERDICTD_RESOLVE(name, arguments) \
  api.name = reinterpret_cast<decltype(api.name)>(dlsym(library, "spin" #name));
#define VERDICTD_DEMAND(name, arguments)                    \
  VERDICTD_RESOLVE(name, arguments)                         \
  if (api.name == nullptr) return "it has no function spin" #name;
  VERDICTD_SPINNAKER_REQUIRED(VERDICTD_DEMAND)
  VERDICTD_SPINNAKER_OPTIONAL(VERDICTD_RESOLVE)
#undef VERDICTD_DEMAND
#undef VERDICTD_RESOLVE
  return "";
}

}  // namespace

std::string Version::text() const {
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(type) + "." + std::to_string(build);
}

std::shared_ptr<const Api> load(const std::string& file) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const Api>> loaded;
  const std::lock_guard lock(mutex);
  const auto known = loaded.find(file);
  if (known != loaded.end()) return known->second;

  auto api = std::make_shared<Api>();
  api->path = load_library(kSearch, file, [&](void* library) { return resolve(library, *api); }).path;
  loaded.emplace(file, api);
  return api;
}

const char* cause_of(int error) {
  switch (error) {
    case kTimeout:
    case kBusy:
    case kGenicamTimeout:
    case kIo:
      return "transient";
    case kNotInitialized:
    case kInvalidHandle:
    case kAbort:
    case kNotAvailable:
    case kInvalidAddress:
      return "lost";
    case kNotImplemented:
    case kInvalidParameter:
    case kInvalidValue:
    case kGenicamInvalidArgument:
    case kGenicamOutOfRange:
    case kGenicamAccess:
    case kGenicamDynamicCast:
      return "refused";
    case kAccessDenied:
    case kResourceExhausted:
    case kOutOfMemory:
      return "environment";
    default:
      return "lost";
  }
}

void check(const Api& api, int error, const std::string& what) {
  if (error == kOk) return;
  std::string text = text_of([&](char* buffer, size_t* length) { return api.ErrorGetLastMessage(buffer, length); });
  // GenApi appends the source file of its own exception.
  const size_t inner = text.find(" : ");
  if (inner != std::string::npos) text.resize(inner);
  throw BackendError(cause_of(error), what + " failed (" + std::to_string(error) + "): " + (text.empty() ? "no text" : text), error);
}

}  // namespace verdictd::spin
