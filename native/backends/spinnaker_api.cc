#include "backends/spinnaker_api.h"

#include <dlfcn.h>
#include <elf.h>
#include <sys/stat.h>

#include <cstring>
#include <fstream>
#include <map>
#include <mutex>

#include "camera/backend.h"

namespace verdictd::spin {
namespace {

constexpr const char* kUsualPlaces[] = {
    "libSpinnaker_C.so.4",
    "/opt/spinnaker/lib/libSpinnaker_C.so.4",
    "libSpinnaker_C.so.3",
    "/opt/spinnaker/lib/libSpinnaker_C.so.3",
    "/opt/spinnaker/lib/libSpinnaker_C.so",
    "/usr/lib/libSpinnaker_C.so",
};

#if defined(__aarch64__)
constexpr uint16_t kMachine = EM_AARCH64;
#elif defined(__x86_64__)
constexpr uint16_t kMachine = EM_X86_64;
#else
constexpr uint16_t kMachine = EM_NONE;
#endif

std::string machine_name(uint16_t machine) {
  if (machine == EM_AARCH64) return "aarch64";
  if (machine == EM_X86_64) return "x86-64";
  if (machine == EM_ARM) return "32 bit ARM";
  if (machine == EM_386) return "32 bit x86";
  return "machine type " + std::to_string(machine);
}

// What dlerror does not say of a file that is there: it calls one of another machine "No such file". Empty: nothing to add.
std::string wrong_file(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) return "there is no such file";
  if (!S_ISREG(found.st_mode)) return "it is no file";
  // Whoever can write it runs as us.
  if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return "its group or others may write it, so it is not loaded: chmod go-w " + path;
  }
  char head[20] = {};
  std::ifstream file(path, std::ios::binary);
  if (!file.read(head, sizeof head)) return "it cannot be read, or is no library";
  if (std::memcmp(head, ELFMAG, SELFMAG) != 0) return "it is no ELF library";
  uint16_t machine = 0;
  std::memcpy(&machine, head + 18, sizeof machine);
  if (kMachine != EM_NONE && machine != kMachine) return "it is for " + machine_name(machine) + ", this program is " + machine_name(kMachine);
  return "";
}

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

// Where the loader found it.
std::string place_of(void* library, const std::string& asked) {
  Dl_info info{};
  void* symbol = dlsym(library, "spinSystemGetInstance");
  if (symbol != nullptr && dladdr(symbol, &info) != 0 && info.dli_fname != nullptr) return info.dli_fname;
  return asked;
}

std::shared_ptr<Api> open(const std::string& path, std::string& why) {
  const bool absolute = path.front() == '/';
  if (absolute) {
    why = wrong_file(path);
    if (!why.empty()) return nullptr;
  }
  dlerror();
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* text = dlerror();
    why = text == nullptr ? "the loader refused it" : text;
    return nullptr;
  }
  auto api = std::make_shared<Api>();
  api->path = place_of(library, path);
  if (!absolute) why = wrong_file(api->path);
  if (why.empty()) why = resolve(library, *api);
  return why.empty() ? api : nullptr;
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

  if (!file.empty() && file.front() != '/') {
    throw BackendError("environment", "The Spinnaker library must be named by an absolute path; received '" + file + "'.");
  }
  std::vector<std::string> places;
  if (file.empty()) {
    places.assign(std::begin(kUsualPlaces), std::end(kUsualPlaces));
  } else {
    places.push_back(file);
  }
  std::string tried;
  for (const std::string& place : places) {
    std::string why;
    if (std::shared_ptr<const Api> api = open(place, why)) {
      loaded.emplace(file, api);
      return api;
    }
    tried += "\n  " + place + ": " + why;
  }
  throw BackendError("environment", "The Spinnaker library could not be loaded. Tried:" + tried);
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
