// Memory of whole pages, straight from the system and back to it. A ring comes and goes with every start of its camera: from malloc its
// megabytes land among small things that stay, and the heap of a station whose camera is often lost grows (measured: 45 KiB a loss).
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <utility>

namespace verdictd {

class Pages {
 public:
  Pages() = default;
  // Zeroed, page-aligned. Throws std::bad_alloc.
  explicit Pages(size_t bytes) : bytes_(bytes) {
    if (bytes == 0) return;
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    memory_ = memory;
  }
  ~Pages() {
    if (memory_ != nullptr) ::munmap(memory_, bytes_);
  }
  Pages(Pages&& other) noexcept : memory_(std::exchange(other.memory_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Pages& operator=(Pages&& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  void* get() const { return memory_; }
  size_t bytes() const { return bytes_; }

 private:
  void* memory_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace verdictd
