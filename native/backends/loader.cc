#include "backends/loader.h"

#include <dlfcn.h>
#include <elf.h>
#include <sys/stat.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>

#include "backends/library_places.h"
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

// Whoever can write the file, or replace it, runs as us. `real`: without links. Empty: nobody else can.
std::string writable_by_others(const std::string& real) {
  for (std::string at = real;; at = at.substr(0, std::max<size_t>(1, at.rfind('/')))) {
    struct stat found {};
    if (stat(at.c_str(), &found) != 0) return at + " cannot be looked at";
    // In a sticky folder such as /tmp, others can add files but not replace ours.
    const bool sticky = S_ISDIR(found.st_mode) && (found.st_mode & S_ISVTX) != 0;
    if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0 && !sticky) {
      return (at == real ? std::string("its") : "of its folder " + at) + " group or others may write it, so it is not loaded: chmod go-w " + at;
    }
    if (at == "/") return "";
  }
}

// What dlerror does not say of a file that is there: it calls one of another machine "No such file". Empty: nothing to add.
std::string wrong_file(const std::string& path) {
  char real[PATH_MAX];
  struct stat found {};
  if (realpath(path.c_str(), real) == nullptr || stat(real, &found) != 0) return "there is no such file";
  if (!S_ISREG(found.st_mode)) return "it is no file";
  const std::string others = writable_by_others(real);
  if (!others.empty()) return others;
  char head[20] = {};
  std::ifstream file(path, std::ios::binary);
  if (!file.read(head, sizeof head)) return "it cannot be read, or is no library";
  if (std::memcmp(head, ELFMAG, SELFMAG) != 0) return "it is no ELF library";
  uint16_t machine = 0;
  std::memcpy(&machine, head + 18, sizeof machine);
  if (kMachine != EM_NONE && machine != kMachine) return "it is for " + machine_name(machine) + ", this program is " + machine_name(kMachine);
  return "";
}

// The file is looked at before it is loaded: loading it runs its constructors.
std::optional<LoadedLibrary> open(const std::string& path, std::string& why) {
  why = wrong_file(path);
  if (!why.empty()) return std::nullopt;
  dlerror();
  void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle != nullptr) return LoadedLibrary{handle, path};
  const char* text = dlerror();
  why = text == nullptr ? "the loader refused it" : text;
  return std::nullopt;
}

}  // namespace

LoadedLibrary load_library(const LibrarySearch& search, const std::string& file, const std::function<std::string(void*)>& resolve) {
  if (!file.empty() && file.front() != '/') {
    throw BackendError("environment", search.name + " must be named by an absolute path; received '" + file + "'.");
  }
  std::string tried;
  for (const std::string& place : file.empty() ? search.places : std::vector<std::string>{file}) {
    const std::vector<std::string> paths = place.front() == '/' ? std::vector<std::string>{place} : library_places(place);
    if (paths.empty()) tried += "\n  " + place + ": it is not in LD_LIBRARY_PATH, /etc/ld.so.cache or the system's folders";
    for (const std::string& path : paths) {
      std::string why;
      if (std::optional<LoadedLibrary> library = open(path, why)) {
        why = resolve(library->handle);
        if (why.empty()) return *library;
      }
      tried += "\n  " + place + ": " + (path == place ? "" : path + ": ") + why;
    }
  }
  throw BackendError("environment", search.name + " could not be loaded. Tried:" + tried);
}

}  // namespace verdictd
