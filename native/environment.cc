#include "environment.h"

namespace verdictd {

Environment& Environment::of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

Napi::Float32Array Environment::tensor(Napi::Env env, const std::shared_ptr<Ring>& ring, uint32_t slot) {
  Views& views = views_[ring->id()];
  if (views.slots.empty()) {
    views.ring = ring;
    views.slots.resize(ring->shape().slots);
  }
  Napi::Reference<Napi::Float32Array>& known = views.slots[slot];
  if (!known.IsEmpty()) {
    const Napi::Float32Array value = known.Value();
    if (!value.IsEmpty()) return value;
  }
  // Two buffers over one address would free or detach each other's memory; hence the reference above, and a holder per buffer.
  using Holder = std::shared_ptr<Ring>;
  auto holder = std::make_unique<Holder>(ring);
  const Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(
      env, ring->tensor(slot), ring->tensor_values() * sizeof(float),
      [](Napi::BasicEnv, void*, Holder* held) { const std::unique_ptr<Holder> gone(held); }, holder.get());
  static_cast<void>(holder.release());  // the finalizer owns it now
  const Napi::Float32Array value = Napi::Float32Array::New(env, ring->tensor_values(), buffer, 0);
  known = Napi::Reference<Napi::Float32Array>::New(value, views.held ? 1 : 0);
  return value;
}

void Environment::sweep() {
  for (auto entry = views_.begin(); entry != views_.end();) {
    Views& views = entry->second;
    const std::shared_ptr<Ring> ring = views.ring.lock();
    if (ring == nullptr) {
      entry = views_.erase(entry);
      continue;
    }
    if (views.held && ring->retired()) {
      views.held = false;
      for (Napi::Reference<Napi::Float32Array>& slot : views.slots) {
        if (!slot.IsEmpty()) slot.Unref();
      }
    }
    entry++;
  }
}

}  // namespace verdictd
