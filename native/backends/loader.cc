#include "backends/loader.h"

#include <dlfcn.h>
#include <elf.h>
#include <sys/stat.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <optional>

#include "camera/backend.h"

namespace verdictd {
namespace {

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

// Where the loader found it.
std::string place_of(void* library, const std::string& asked, const std::string& symbol) {
  Dl_info info{};
  void* address = dlsym(library, symbol.c_str());
  if (address != nullptr && dladdr(address, &info) != 0 && info.dli_fname != nullptr) return info.dli_fname;
  return asked;
}

std::optional<LoadedLibrary> open(const std::string& place, const std::string& symbol, std::string& why) {
  const bool absolute = place.front() == '/';
  if (absolute) {
    why = wrong_file(place);
    if (!why.empty()) return std::nullopt;
  }
  dlerror();
  LoadedLibrary out;
  out.handle = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (out.handle == nullptr) {
    const char* text = dlerror();
    why = text == nullptr ? "the loader refused it" : text;
    return std::nullopt;
  }
  out.path = place_of(out.handle, place, symbol);
  if (!absolute) why = wrong_file(out.path);
  if (!why.empty()) return std::nullopt;
  return out;
}

}  // namespace

LoadedLibrary load_library(const LibrarySearch& search, const std::string& file, const std::function<std::string(void*)>& resolve) {
  if (!file.empty() && file.front() != '/') {
    throw BackendError("environment", search.name + " must be named by an absolute path; received '" + file + "'.");
  }
  std::string tried;
  for (const std::string& place : file.empty() ? search.places : std::vector<std::string>{file}) {
    std::string why;
    if (std::optional<LoadedLibrary> library = open(place, search.symbol, why)) {
      why = resolve(library->handle);
      if (why.empty()) return *library;
    }
    tried += "\n  " + place + ": " + why;
  }
  throw BackendError("environment", search.name + " could not be loaded. Tried:" + tried);
}

}  // namespace verdictd
