#include "backends/library_places.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

namespace verdictd {
namespace {

constexpr const char* kCache = "/etc/ld.so.cache";
constexpr const char* kFolders[] = {"/lib64", "/usr/lib64", "/lib", "/usr/lib"};

// Of the format, in bytes: magic and version, then the number of entries; the entries; in an entry, where its name and its path begin,
// counted from the magic.
constexpr char kMagic[] = "glibc-ld.so.cache1.1";
constexpr size_t kCount = sizeof kMagic - 1;
constexpr size_t kHeader = 48;
constexpr size_t kEntry = 24;
constexpr size_t kName = 4;
constexpr size_t kPath = 8;

bool is_file(const std::string& path) {
  struct stat found {};
  return stat(path.c_str(), &found) == 0 && S_ISREG(found.st_mode);
}

}  // namespace

std::vector<std::string> cached_places(const std::string& cache, const std::string& name) {
  std::vector<std::string> out;
  const size_t begin = cache.find(kMagic);
  if (begin == std::string::npos) return out;
  const size_t size = cache.size() - begin;
  const char* const bytes = cache.data() + begin;
  const auto number = [&](size_t at) {
    uint32_t value = 0;
    std::memcpy(&value, bytes + at, sizeof value);
    return value;
  };
  const auto text = [&](size_t at) -> std::string {
    if (at >= size) return "";
    const size_t length = strnlen(bytes + at, size - at);
    return length == size - at ? "" : std::string(bytes + at, length);
  };
  if (size < kHeader || (size - kHeader) / kEntry < number(kCount)) return out;
  for (size_t i = 0; i < number(kCount); i++) {
    const size_t entry = kHeader + i * kEntry;
    if (text(number(entry + kName)) == name) out.push_back(text(number(entry + kPath)));
  }
  return out;
}

std::vector<std::string> library_places(const std::string& name) {
  std::vector<std::string> all;
  if (const char* path = secure_getenv("LD_LIBRARY_PATH")) {
    std::string folders(path);
    std::replace(folders.begin(), folders.end(), ';', ':');
    std::istringstream list(folders);
    for (std::string folder; std::getline(list, folder, ':');) all.push_back(folder + "/" + name);
  }
  std::ifstream file(kCache, std::ios::binary);
  for (const std::string& path : cached_places({std::istreambuf_iterator<char>(file), {}}, name)) all.push_back(path);
  for (const char* folder : kFolders) all.push_back(std::string(folder) + "/" + name);

  std::vector<std::string> out;
  for (const std::string& path : all) {
    // A relative folder would be another one for each place the program is started from.
    if (path.empty() || path.front() != '/' || !is_file(path)) continue;
    if (std::find(out.begin(), out.end(), path) == out.end()) out.push_back(path);
  }
  return out;
}

}  // namespace verdictd
