// Process-wide rings of preallocated frame slots. The camera thread fills a slot, JavaScript threads open the ring by id and
// read it in place. No Node-API in here.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "frame/pages.h"
#include "frame/thumbnail.h"

namespace verdictd {

struct RingShape {
  uint32_t slots = 0;
  uint32_t width = 0;   // of the tensor
  uint32_t height = 0;  // of the tensor
};

// A right to one slot, from acquire to release. Numbers are never used twice in a ring, so an old lease cannot free a slot that
// has been leased again.
struct Lease {
  uint32_t slot = 0;
  uint64_t number = 0;
};

// A frame as it came, rows without padding.
struct RawPicture {
  ImageView image;              // over `memory`
  std::vector<uint8_t> memory;  // its capacity is kept for the next frame
};

class Ring {
 public:
  static std::shared_ptr<Ring> create(const RingShape& shape);
  // Null when no such ring is alive.
  static std::shared_ptr<Ring> find(uint32_t id);

  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  uint32_t id() const { return id_; }
  const RingShape& shape() const { return shape_; }
  size_t tensor_values() const { return static_cast<size_t>(shape_.width) * shape_.height * 3; }

  // A free slot, or nothing. Never waits.
  std::optional<Lease> acquire();
  // The same, waiting up to `timeout` for somebody to release one.
  std::optional<Lease> acquire_within(std::chrono::milliseconds timeout);

  enum class Released { yes, not_leased, other_lease };
  Released release(const Lease& lease);

  float* tensor(uint32_t slot) { return static_cast<float*>(slots_[slot].tensor.get()); }
  // Only for the thread that fills the slot.
  Picture& thumbnail(uint32_t slot) { return slots_[slot].thumbnail; }

  // The frame itself, as evidence, beside its tensor: for the thread that fills the slot. In memory at most one frame a slot, and what
  // was taken. Throws std::bad_alloc.
  void keep_raw(uint32_t slot, const ImageView& image);
  void drop_raw(uint32_t slot);
  // Moves it out of a leased slot, which may be released then. Nothing where the lease is not in force, or no frame was kept.
  std::optional<RawPicture> take_raw(const Lease& lease);
  // Memory of a picture that was taken, to be used again.
  void give_back(RawPicture picture);

  // Keeps a leased slot from being filled again while it is read; false when the lease is not in force.
  bool pin(const Lease& lease);
  void unpin(uint32_t slot);

  uint32_t free() const;
  // The owner is done with it: views of it are let go wherever nobody needs them.
  void retire();
  bool retired() const;

 private:
  struct Slot {
    Pages tensor;
    Picture thumbnail;
    RawPicture raw;
    uint64_t lease = 0;  // 0: not leased
    uint32_t pins = 0;
    bool waiting = false;  // released while pinned: becomes free with the last pin
  };
  struct Registry;

  Ring(const RingShape& shape, std::shared_ptr<Registry> registry);
  static const std::shared_ptr<Registry>& registry();
  std::optional<Lease> take();

  const RingShape shape_;
  const std::shared_ptr<Registry> registry_;
  uint32_t id_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable released_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  uint64_t last_lease_ = 0;
  RawPicture spare_;
  bool retired_ = false;
};

}  // namespace verdictd
