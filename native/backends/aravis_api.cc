#include "backends/aravis_api.h"

#include <dlfcn.h>

#include <map>
#include <mutex>

#include "backends/loader.h"
#include "camera/backend.h"

namespace verdictd::arv {
namespace {

const LibrarySearch kSearch = {"The Aravis library", {"libaravis-0.8.so.0", "libaravis-0.10.so.0"}};

// Fills the table; the name of what is missing, or empty. GObject is found through Aravis, which is linked with it.
std::string resolve(void* library, Api& api) {
#define VERDICTD_RESOLVE(result, name, arguments) api.name = reinterpret_cast<decltype(api.name)>(dlsym(library, #name));
#define VERDICTD_DEMAND(result, name, arguments)   \
  VERDICTD_RESOLVE(result, name, arguments)        \
  if (api.name == nullptr) return "it has no function " #name;
  VERDICTD_ARAVIS_REQUIRED(VERDICTD_DEMAND)
  VERDICTD_ARAVIS_OPTIONAL(VERDICTD_RESOLVE)
#undef VERDICTD_DEMAND
#undef VERDICTD_RESOLVE
  return "";
}

const char* cause_of(int code) {
  switch (code) {
    case kFeatureNotFound:
      return "missing";
    case kWrongFeature:
    case kInvalidParameter:
    case kProtocolError:
    case kNotImplemented:
    case kBadParameter:
    case kBadAddress:
    case kWriteProtect:
    case kBadAlignment:
      return "refused";
    case kTransferError:
    case kBusy:
      return "transient";
    case kNotFound:
      return "absent";
    case kGenicamNotFound:
    case kNoStreamChannel:
    case kNotController:
    case kAccessDenied:
      return "environment";
    default:
      // Among them a time-out: the library has tried five times by then.
      return "lost";
  }
}

}  // namespace

std::string Api::version() const {
  if (arv_get_major_version == nullptr || arv_get_minor_version == nullptr || arv_get_micro_version == nullptr) return "unknown";
  return std::to_string(arv_get_major_version()) + "." + std::to_string(arv_get_minor_version()) + "." + std::to_string(arv_get_micro_version());
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

Outcome::~Outcome() {
  if (error_ != nullptr) api_.g_error_free(error_);
}

void Outcome::check(const std::string& what) const {
  if (error_ == nullptr) return;
  const std::string detail = what + " failed: " + (error_->message == nullptr ? "no text" : error_->message);
  if (error_->domain == api_.arv_device_error_quark()) throw BackendError(cause_of(error_->code), detail, error_->code + 1);
  // Errors of the feature description are about the feature; all else (sockets, USB) is the link.
  throw BackendError(error_->domain == api_.arv_gc_error_quark() ? "refused" : "lost", detail);
}

}  // namespace verdictd::arv
