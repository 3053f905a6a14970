// Where the dynamic loader would find a library by its name: known before it is loaded, so that the file can be looked at first.
#pragma once

#include <string>
#include <vector>

namespace verdictd {

// Absolute paths of files that are there, in the order of ld.so(8): LD_LIBRARY_PATH (not in a program with raised rights), the loader's
// cache, the system's folders. Each once. Those for another machine are among them.
std::vector<std::string> library_places(const std::string& name);

// Paths under this name in the text of an ld.so.cache, format "glibc-ld.so.cache1.1" alone or behind the older one. Nothing where the
// text is cut short or of another format.
std::vector<std::string> cached_places(const std::string& cache, const std::string& name);

}  // namespace verdictd
