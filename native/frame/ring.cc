#include "frame/ring.h"

#include <map>
#include <utility>

#include "frame/packed.h"

namespace verdictd {

// Rings by id. Weak: a ring lives as long as its owner, the thread that fills it, or a view of it.
struct Ring::Registry {
  std::mutex mutex;
  uint32_t last_id = 0;
  std::map<uint32_t, std::weak_ptr<Ring>> rings;
};

// Held by every ring too, so that the order in which statics die at process exit does not matter.
const std::shared_ptr<Ring::Registry>& Ring::registry() {
  static const std::shared_ptr<Registry> registry = std::make_shared<Registry>();
  return registry;
}

Ring::Ring(const RingShape& shape, std::shared_ptr<Registry> registry)
    : shape_(shape), registry_(std::move(registry)), slots_(shape.slots) {
  for (uint32_t i = 0; i < shape.slots; i++) {
    slots_[i].tensor = Pages(tensor_values() * sizeof(float));
    free_.push_back(shape.slots - 1 - i);
  }
}

std::shared_ptr<Ring> Ring::create(const RingShape& shape) {
  std::shared_ptr<Ring> ring(new Ring(shape, registry()));  // the constructor is private: make_shared cannot
  const std::lock_guard lock(ring->registry_->mutex);
  ring->id_ = ++ring->registry_->last_id;
  ring->registry_->rings.emplace(ring->id_, ring);
  return ring;
}

std::shared_ptr<Ring> Ring::find(uint32_t id) {
  const std::shared_ptr<Registry>& all = registry();
  const std::lock_guard lock(all->mutex);
  const auto found = all->rings.find(id);
  return found == all->rings.end() ? nullptr : found->second.lock();
}

Ring::~Ring() {
  const std::lock_guard lock(registry_->mutex);
  registry_->rings.erase(id_);
}

std::optional<Lease> Ring::take() {
  if (free_.empty()) return std::nullopt;
  const uint32_t slot = free_.back();
  free_.pop_back();
  slots_[slot].lease = ++last_lease_;
  return Lease{slot, last_lease_};
}

std::optional<Lease> Ring::acquire() {
  const std::lock_guard lock(mutex_);
  return take();
}

std::optional<Lease> Ring::acquire_within(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  released_.wait_for(lock, timeout, [this] { return !free_.empty(); });
  return take();
}

Ring::Released Ring::release(const Lease& lease) {
  {
    const std::lock_guard lock(mutex_);
    Slot& slot = slots_[lease.slot];
    if (slot.lease == 0) return Released::not_leased;
    if (slot.lease != lease.number) return Released::other_lease;
    slot.lease = 0;
    slot.waiting = slot.pins > 0;
    if (slot.waiting) return Released::yes;
    free_.push_back(lease.slot);
  }
  released_.notify_one();
  return Released::yes;
}

void Ring::keep_raw(uint32_t index, const ImageView& image) {
  RawPicture& raw = slots_[index].raw;
  if (raw.memory.capacity() == 0) {
    const std::lock_guard lock(mutex_);
    std::swap(raw, spare_);
  }
  raw.memory = packed(image, std::move(raw.memory));
  raw.image = view_of(image, raw.memory);
}

void Ring::drop_raw(uint32_t index) { slots_[index].raw.image = {}; }

std::optional<RawPicture> Ring::take_raw(const Lease& lease) {
  const std::lock_guard lock(mutex_);
  Slot& slot = slots_[lease.slot];
  if (slot.lease == 0 || slot.lease != lease.number || slot.raw.image.width == 0) return std::nullopt;
  return std::exchange(slot.raw, {});
}

void Ring::give_back(RawPicture picture) {
  picture.image = {};
  const std::lock_guard lock(mutex_);
  if (spare_.memory.capacity() < picture.memory.capacity()) std::swap(spare_, picture);
}

bool Ring::pin(const Lease& lease) {
  const std::lock_guard lock(mutex_);
  Slot& slot = slots_[lease.slot];
  if (slot.lease == 0 || slot.lease != lease.number) return false;
  slot.pins++;
  return true;
}

void Ring::unpin(uint32_t index) {
  {
    const std::lock_guard lock(mutex_);
    Slot& slot = slots_[index];
    slot.pins--;
    if (slot.pins > 0 || !slot.waiting) return;
    slot.waiting = false;
    free_.push_back(index);
  }
  released_.notify_one();
}

uint32_t Ring::free() const {
  const std::lock_guard lock(mutex_);
  return static_cast<uint32_t>(free_.size());
}

void Ring::retire() {
  const std::lock_guard lock(mutex_);
  retired_ = true;
}

bool Ring::retired() const {
  const std::lock_guard lock(mutex_);
  return retired_;
}

}  // namespace verdictd
