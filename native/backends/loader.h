// Finding a camera library on this machine at run time, and saying why it was not found. Nothing is linked: verdictd builds and runs
// without any of them.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace verdictd {

struct LibrarySearch {
  std::string name;                 // for people: "The Spinnaker library"
  std::vector<std::string> places;  // names as the loader looks for them, and absolute paths; best first
};

struct LoadedLibrary {
  void* handle = nullptr;  // never closed: threads and statics of these libraries do not survive being unloaded
  std::string path;        // the file it came from
};

// Opens the first place whose functions are all there. `file`: an absolute path, and nothing else is tried; empty: the usual places.
// `resolve` fills the caller's table and returns what is missing, or an empty text.
// A library that others than its owner may write or replace is not loaded: its constructors would run.
// Throws BackendError("environment") with every path tried and why it failed.
LoadedLibrary load_library(const LibrarySearch& search, const std::string& file, const std::function<std::string(void*)>& resolve);

}  // namespace verdictd
